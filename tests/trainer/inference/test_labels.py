"""Classes as labels: one value is one label in every way of writing it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.inference.labels import alike, as_label, find_class, labels_of

WAYS = [
    ([0.0, 1.0], [1, 1.0, "1", "1.0", " 1 "], 1.0),
    ([0, 1], [1, 1.0, "1", "1.0"], 1),
    ([False, True], [True, "true", "True", " TRUE"], True),
    (["True", "False"], [True, "true", "True"], "True"),
    (["no ", " yes"], ["yes", " yes", "yes "], " yes"),
    (["0.0", "1.0"], [1, 1.0, "1.0"], "1.0"),
    ([-1.5, 2.5], [2.5, "2.5"], 2.5),
    (["00", "01"], ["01"], "01"),
]


@pytest.mark.parametrize(("classes", "spellings", "expected"), WAYS, ids=str)
def test_a_class_is_found_in_every_way_of_writing_it(classes: list[Any], spellings: list[Any], expected: Any) -> None:
    for said in spellings:
        found = find_class(classes, said)
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("classes", "said"),
    [(["no", "yes"], "Yes"), (["no", "yes"], True), ([1.5, 2.5], 1), (["00", "01"], 1)],
    ids=["capitals", "a boolean", "a fraction", "a code"],
)
def test_what_does_not_read_the_same_is_not_found(classes: list[Any], said: Any) -> None:
    assert find_class(classes, said) is None


@pytest.mark.parametrize("classes", [classes for classes, _, _ in WAYS], ids=str)
def test_a_column_has_the_labels_of_its_values(classes: list[Any]) -> None:
    values = pl.Series([*classes, None, *classes])
    assert labels_of(values).to_list() == [*map(as_label, classes), None, *map(as_label, classes)]


def test_classes_that_read_the_same() -> None:
    assert alike(["yes", "no", "yes ", "No"]) == [["yes", "yes "]]
    assert alike([0.0, 1.0]) == []
