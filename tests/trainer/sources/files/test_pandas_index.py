"""The index that pandas writes into Parquet files: which columns it is, and that it is data only where named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from trainer.pipeline import ParquetSource
from trainer.sources.files.pandas_index import index_columns
from trainer.sources.readers import read_source

FRAME = pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "a"]})


def written(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (FRAME, []),
        (FRAME[FRAME.x > 2], ["__index_level_0__"]),
        (FRAME.set_index("y"), ["y"]),
        (FRAME.assign(z=1)[FRAME.x > 2].set_index(["y", "x"], append=True), ["__index_level_0__", "y", "x"]),
    ],
    ids=["range", "unnamed", "named", "several"],
)
def test_which_columns_are_the_index(frame: pd.DataFrame, expected: list[str], tmp_path: Path) -> None:
    assert sorted(index_columns(written(frame, tmp_path))) == sorted(expected)


def test_a_reserved_name_is_an_index_without_metadata_too(tmp_path: Path) -> None:
    pl.DataFrame({"__index_level_0__": [3, 1], "x": [1, 2]}).write_parquet(tmp_path / "rows.parquet")
    assert index_columns(tmp_path / "rows.parquet") == ["__index_level_0__"]


@pytest.mark.parametrize(
    ("source", "named", "columns"),
    [
        ({}, [], ["x"]),
        ({}, ["y"], ["x", "y"]),
        ({"types": {"y": "string"}}, [], ["x", "y"]),
        ({"rename": {"y": "plan"}}, [], ["x", "plan"]),
        ({"where": "y = 'a'"}, [], ["x", "y"]),
        ({"columns": ["y"]}, [], ["y"]),
    ],
    ids=["nobody", "a role", "a type", "a name", "a condition", "chosen"],
)
def test_the_index_is_read_where_it_is_named(
    source: dict[str, Any], named: list[str], columns: list[str], tmp_path: Path
) -> None:
    file = written(FRAME.set_index("y"), tmp_path)
    rows, lineage = read_source(ParquetSource(uri=str(file), **source), named)
    assert rows.columns == columns
    assert [note for note in lineage.notes if "index of pandas is left out: 'y'" in note] == lineage_notes(columns)


def lineage_notes(columns: list[str]) -> list[str]:
    left_out = "the index of pandas is left out: 'y'; a name under `columns` or `source.types` makes it a column"
    return [left_out] if columns == ["x"] else []
