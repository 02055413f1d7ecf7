"""Rows of a CSV file: what the first of them let expect is checked against all of them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource
from trainer.sources.files import csv_reader
from trainer.sources.files.csv_reader import write_csv_rows
from trainer.sources.files.source_files import SourceFile
from trainer.tables.parquet import file_digest


@pytest.fixture(autouse=True)
def _few_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "FIRST_ROWS", 3)


def read(folder: Path, lines: list[str], **settings: Any) -> pl.DataFrame:
    file = folder / "rows.csv"
    file.write_text("\n".join(["x,y", *lines]) + "\n", encoding="utf-8")
    write_csv_rows(SourceFile("rows.csv", file), CsvSource(uri="rows.csv", **settings), ",", folder / "rows.parquet")
    return pl.read_parquet(folder / "rows.parquet", memory_map=False)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("4", [1, 2, 3, 4]),
        ("4.5", [1.0, 2.0, 3.0, 4.5]),
        ("four", ["1", "2", "3", "four"]),
        ("", [1, 2, 3, None]),
    ],
    ids=["as-expected", "a-fraction", "a-text", "missing"],
)
def test_a_type_is_that_of_all_rows(tmp_path: Path, last: str, expected: list[Any]) -> None:
    assert read(tmp_path, ["1,a", "2,a", "3,a", f"{last},a"])["x"].to_list() == expected


def test_a_column_whose_first_values_are_missing_gets_the_type_of_the_others(tmp_path: Path) -> None:
    assert read(tmp_path, [",a", ",a", ",a", "4,a", "5,a"])["x"].to_list() == [None, None, None, 4, 5]


def test_dates_that_stop_being_dates_are_texts(tmp_path: Path) -> None:
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert read(tmp_path, [f"{day},a" for day in days])["x"].to_list() == [date(2026, 1, day) for day in (1, 2, 3)]
    assert read(tmp_path, [f"{day},a" for day in [*days, "soon"]])["x"].to_list() == [*days, "soon"]


@pytest.mark.parametrize(("kind", "number"), [("integer", 4), ("float", 4.0)])
def test_a_declared_number_may_be_written_otherwise_in_a_later_row(tmp_path: Path, kind: Any, number: float) -> None:
    found = read(tmp_path, ["1,a", "2,a", " 3,a", "4.0,a"], types={"x": kind})["x"]
    assert found.to_list() == [1, 2, 3, number]
    assert found.dtype == (pl.Int64 if kind == "integer" else pl.Float64)


def test_misfits_of_all_rows_are_counted(tmp_path: Path) -> None:
    with pytest.raises(
        DataValidationError, match=r"'x' is declared integer, and 2 of 5 values are not: '4.5', 'five';"
    ):
        read(tmp_path, ["1,a", "2,a", " 3,a", "4.5,a", "five,a"], types={"x": "integer"})


def test_declared_dates_and_truths_have_their_type_with_names_of_their_own(tmp_path: Path) -> None:
    frame = read(
        tmp_path,
        ["2026-01-01 10:00,yes", "2026-01-02T11:00:00.5,no", "2026-01-03,1", ",0"],
        rename={"x": "seen", "y": "left"},
        types={"seen": "datetime", "left": "boolean"},
    )
    assert frame["seen"].to_list() == [
        datetime(2026, 1, 1, 10), datetime(2026, 1, 2, 11, 0, 0, 500000), datetime(2026, 1, 3), None,
    ]  # fmt: skip
    assert frame["left"].to_list() == [True, False, True, False]


def test_blank_lines_go_however_late_they_come(tmp_path: Path) -> None:
    assert read(tmp_path, ["1,a", "2,a", "3,a", "", "4,a"])["x"].to_list() == [1, 2, 3, 4]


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    lines = [f"{number},{number % 7}" for number in range(300_000)]
    digests = set()
    for _ in range(2):
        read(tmp_path, lines)
        digests.add(file_digest(tmp_path / "rows.parquet"))
    pl.read_parquet(tmp_path / "rows.parquet").lazy().sink_parquet(tmp_path / "again.parquet")
    assert len(digests) == 1
