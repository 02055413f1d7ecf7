"""A job's parts: drawn by a rule, or taken from a column."""

from __future__ import annotations

import polars as pl
import pytest
from pydantic import TypeAdapter

from trainer.errors import DataValidationError
from trainer.pipeline import HashSplit, RandomSplit
from trainer.tables.job_splits import AnyJobSplit, ColumnSplit, JobTimeSplit, parts_of
from trainer.tables.row_keys import row_keys
from trainer.tables.splits import split_rows

FRAME = pl.DataFrame({"id": range(300), "part": ["train", "validation", "test"] * 100, "x": [1.5] * 300})
LABELS = pl.Series("y", ["a", "b"] * 150)


@pytest.mark.parametrize("split", [HashSplit(), RandomSplit()], ids=["hash", "random"])
def test_a_rule_draws_the_parts(split: HashSplit | RandomSplit) -> None:
    parts = parts_of(split, FRAME, LABELS, "id")
    assert parts.equals(split_rows(split, row_keys(FRAME, "id"), LABELS)[0])
    assert set(parts) == {"train", "validation", "test"}


def test_a_column_has_them_already() -> None:
    assert parts_of(ColumnSplit(column="part"), FRAME, LABELS, None).to_list() == FRAME["part"].to_list()


def test_other_parts_can_be_training_rows_too() -> None:
    parts = parts_of(ColumnSplit(column="part", learned=("train", "validation")), FRAME, LABELS, None)
    assert parts.to_list() == ["train", "train", "test"] * 100


def test_the_column_must_be_there() -> None:
    with pytest.raises(DataValidationError, match=r"splitter.column: no column 'portion' in the inputs"):
        parts_of(ColumnSplit(column="portion"), FRAME, LABELS, None)


def test_the_column_must_name_parts() -> None:
    frame = FRAME.with_columns(part=pl.col("part").replace({"test": "tset"}))
    with pytest.raises(DataValidationError, match=r"'part' holds \['tset'\]; parts are"):
        parts_of(ColumnSplit(column="part"), frame, LABELS, None)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"KIND": "hash"}, HashSplit),
        ({"KIND": "random", "stratify": True}, RandomSplit),
        ({"KIND": "time", "column": "day", "test_hours": 24}, JobTimeSplit),
        ({"KIND": "column", "column": "part"}, ColumnSplit),
    ],
    ids=["hash", "random", "time", "column"],
)
def test_the_kind_names_the_split(document: dict[str, object], kind: type[object]) -> None:
    assert type(TypeAdapter(AnyJobSplit).validate_python(document)) is kind
