"""Columns that stand in the names of folders."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource, JsonLinesSource, ParquetSource
from trainer.sources.files.partitions import with_partitions
from trainer.sources.files.source_files import SourceFile
from trainer.sources.readers import read_source


def partitions(names: list[str], address: str) -> list[Any]:
    return [file.partition for file in with_partitions([SourceFile(name, Path(name)) for name in names], address)]


def test_the_types_are_those_of_all_values() -> None:
    names = [
        f"/d/y={year}/day={day}/code={code}/r.csv"
        for year, day, code in (("2026", "2026-01-02", "01067"), ("7", "", "a%20b"))
    ]
    assert partitions(names, "/d/**/*.csv") == [
        {"y": 2026, "day": date(2026, 1, 2), "code": "01067"},
        {"y": 7, "day": None, "code": "a b"},
    ]


@pytest.mark.parametrize(
    ("name", "address"),
    [("/d/y=1/r.csv", "/d/y=1/r.csv"), ("/d/y=1/r.csv", "/d/y=1/*.csv"), ("/d/y/r=1.csv", "/d/**/*.csv")],
    ids=["named", "above-the-wildcard", "in-the-name-of-the-file"],
)
def test_what_is_not_a_partition(name: str, address: str) -> None:
    assert partitions([name], address) == [{}]


def test_a_wildcard_in_the_value_is_one() -> None:
    assert partitions(["s3://b/y=1/r.csv"], "s3://b/y=*/r.csv") == [{"y": 1}]


def test_files_of_other_folders_are_refused() -> None:
    with pytest.raises(DataValidationError, match=r"/d/r.csv: its folders name the columns none, and those of .* 'y'"):
        partitions(["/d/y=1/r.csv", "/d/r.csv"], "/d/**/*.csv")


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_every_format_gets_them_renamed_and_typed(tmp_path: Path, kind: str) -> None:
    sources: dict[str, Any] = {"csv": CsvSource, "parquet": ParquetSource, "jsonl": JsonLinesSource}
    for year in (2025, 2026):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        frame = pl.DataFrame({"x": [year]})
        getattr(frame, f"write_{'ndjson' if kind == 'jsonl' else kind}")(folder / f"rows.{kind}")
    source = sources[kind](uri=f"{tmp_path}/**/*.{kind}", rename={"year": "y"}, types={"y": "string"})
    assert read_source(source)[0].rows() == [(2025, "2025"), (2026, "2026")]
