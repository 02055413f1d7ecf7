"""Labels by id: repeated, contradicting, missing ones and those without an id."""

from __future__ import annotations

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.monitoring.labels import id_and_label, labels_by_id, refuse_other_types, refuse_unknown_classes


def test_each_kind_of_row_is_counted_apart() -> None:
    found = labels_by_id(
        pl.DataFrame({
            "id": ["late", "same", "same", "same", "both", "both", "none", "said", "said", None],
            "label": ["Yes", "No", "No", "No", "Yes", "No", None, None, "Yes", "No"],
        }),
        "labels.csv",
    )  # fmt: skip
    assert found.table.rows() == [("late", "Yes"), ("same", "No"), ("said", "Yes")]
    assert (found.rows, found.missing, found.without_id, found.repeated) == (10, 2, 1, 2)
    assert found.contradicting.to_list() == ["both"]


def test_numbers_are_ids_and_nan_is_missing() -> None:
    found = labels_by_id(pl.DataFrame({"id": [7, 8], "label": [1.5, float("nan")]}), "labels.csv")
    assert found.table.rows() == [("7", 1.5)]
    assert found.missing == 1


def test_no_label_at_all() -> None:
    rows = pl.DataFrame({"id": ["a", "b", "b"], "label": [None, "Yes", "No"]})
    with pytest.raises(
        DataValidationError, match=r"found no label in 3 rows \(1 have an id and no label, .* 1 ids contra"
    ):
        labels_by_id(rows, "labels.csv")


def test_a_column_that_is_missing() -> None:
    with pytest.raises(DataValidationError, match=r"labels need the target in a column 'churn', found 'id', 'Churn'"):
        id_and_label(pl.LazyFrame({"id": [1], "Churn": [1]}), "id", "churn", "labels.csv")


def test_labels_of_another_type_or_class() -> None:
    refuse_other_types(pl.Series([1], dtype=pl.Int16), "Float64", "price", "labels.csv", "m version 1")
    refuse_other_types(pl.Series(["a"]), "Enum(categories=['a'])", "churn", "labels.csv", "m version 1")
    with pytest.raises(
        DataValidationError, match=r"expected labels of the type String, as .*, found Int64, such as 1;"
    ):
        refuse_other_types(pl.Series([1]), "String", "churn", "labels.csv", "m version 1")
    with pytest.raises(DataValidationError, match=r"expected 'No' or 'Yes' .* 2 of 3 ids: 'Maybe' \(2 rows\); fix"):
        refuse_unknown_classes(pl.Series(["Maybe", "No", "Maybe"]), ["Yes", "No"], "churn", "labels.csv")
