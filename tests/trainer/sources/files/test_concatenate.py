"""Several files as one table: what differs is named by file and column."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.sources.files.concatenate import FileRows, one_table


def joined(*frames: dict[str, list[Any]], guessed: bool = True) -> pl.DataFrame:
    parts = [FileRows(f"{number}.csv", pl.LazyFrame(frame)) for number, frame in enumerate(frames, start=1)]
    return one_table(parts, guessed=guessed).collect()


def test_rows_follow_each_other_with_the_columns_of_the_first() -> None:
    frame = joined({"a": [1], "b": ["x"]}, {"b": ["y"], "a": [2]}, guessed=False)
    assert frame.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}


def test_in_text_files_whole_numbers_give_way_to_others_wherever_they_stand() -> None:
    for frames in (({"a": [1]}, {"a": [2.5]}), ({"a": [2.5]}, {"a": [1]})):
        frame = joined(*frames)
        assert frame.schema["a"] == pl.Float64
        assert sorted(frame["a"]) == [1.0, 2.5]


def test_in_text_files_a_column_without_a_value_gives_way() -> None:
    nothing: dict[str, list[Any]] = {"a": ["", None]}
    empty = pl.LazyFrame({"a": [None, None]}, schema={"a": pl.String})
    frame = one_table([FileRows("1.csv", empty), FileRows("2.csv", pl.LazyFrame({"a": [3]}))], guessed=True).collect()
    assert frame["a"].to_list() == [None, None, 3]
    with pytest.raises(DataValidationError, match="columns of other types"):
        joined(nothing, {"a": [3]})


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            ({"a": [1], "b": [1]}, {"a": [1]}, {"a": [1], "b": [1], "c": [1]}),
            r"2 of 3 files do not have the columns of 1.csv: 2.csv lacks 'b'; 3.csv has 'c' too; mend them",
        ),
        (({"a": [1]}, {"A": [1]}), r"1 of 2 files .* 2.csv lacks 'a' and has 'A' too"),
        (({"a": [1]}, {"a": ["x"]}), r"1 of 2 files have columns of other types than 1.csv: 2.csv: 'a' is String, not"),
    ],
    ids=["lack-and-more", "another-name", "another-type"],
)
def test_differences_are_named(frames: tuple[dict[str, list[Any]], ...], message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        joined(*frames)


def test_types_of_parquet_files_are_no_guess() -> None:
    with pytest.raises(DataValidationError, match=r"2.csv: 'a' is Float64, not Int64; mend them, or declare the types"):
        joined({"a": [1]}, {"a": [2.5]}, guessed=False)


def test_many_differences_are_counted() -> None:
    with pytest.raises(DataValidationError, match=r"^9 of 10 files .*; and 4 more; mend them"):
        joined({"a": [1]}, *({"b": [1]} for _ in range(9)))
