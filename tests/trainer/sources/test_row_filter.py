"""Which rows are kept: by what stands in each, and never none."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.row_filter import check_condition, keep_rows


def kept(where: str, **columns: list[Any]) -> pl.DataFrame:
    return keep_rows(pl.LazyFrame(columns), where, "rows.csv").collect()


def test_rows_that_fit_are_kept_in_their_order() -> None:
    frame = kept("n > 1 AND kind = 'a'", n=[3, 1, None, 2, 5], kind=["a", "a", "a", "b", "a"])
    assert frame["n"].to_list() == [3, 5]


def test_all_are_kept_without_a_condition() -> None:
    assert kept("", n=[3, None])["n"].to_list() == [3, None]


def test_no_row_that_fits_is_an_error() -> None:
    with pytest.raises(DataValidationError, match=r"rows.csv: 0 of 3 rows fit source.where \(n > 9\); nothing can be"):
        kept("n > 9", n=[1, 2, 3])


def test_no_row_at_all_is_an_error() -> None:
    with pytest.raises(DataValidationError, match=r"rows.csv: the table has a header and no rows"):
        kept("", n=[])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tenur > 1", r"source.where: no column 'tenur'; did you mean 'tenure'\?"),
        ("tenure >", "source.where: 'tenure >' is no SQL expression"),
        ("tenure + 1", r"source.where: 'tenure \+ 1' gives Int64, and a condition is true or false"),
        ("tenure > avg(tenure)", "source.where: "),
        ("upper(tenure) = 'A'", "source.where: "),
    ],
    ids=["no-column", "no-expression", "no-condition", "aggregate", "other-type"],
)
def test_a_condition_that_cannot_be_one(where: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kept(where, tenure=[1, 2])


def test_a_condition_is_known_to_be_wrong_before_there_are_rows() -> None:
    check_condition("")
    check_condition("a > 1")
    with pytest.raises(ConfigurationError, match=r"source.where: .*a row is kept by what stands in it alone"):
        check_condition("a > avg(a)")
