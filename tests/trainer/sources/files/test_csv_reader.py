"""Rows of a CSV file: what the first of them let expect is checked against all of them."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource
from trainer.sources.files import csv_reader
from trainer.sources.readers import open_source, read_source, write_source
from trainer.tables.parquet import file_digest


@pytest.fixture(autouse=True)
def _few_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "FIRST_ROWS", 3)


def written(folder: Path, lines: list[str]) -> Path:
    file = folder / "rows.csv"
    file.write_text("\n".join(["x,y", *lines]) + "\n", encoding="utf-8")
    return file


def read(folder: Path, lines: list[str], **settings: Any) -> pl.DataFrame:
    file = written(folder, lines)
    return read_source(CsvSource(uri=str(file), **settings))[0]


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
        write_source(CsvSource(uri=str(written(tmp_path, lines))), tmp_path / "rows.parquet")
        digests.add(file_digest(tmp_path / "rows.parquet"))
    assert len(digests) == 1


def put_aside(folder: Path, lines: list[str], **settings: Any) -> set[str]:
    """The files that are put aside while the rows are written."""
    (folder / "out").mkdir()
    with open_source(CsvSource(uri=str(written(folder, lines)), **settings), beside=folder / "out") as table:
        table.use(lambda rows: rows.sink_parquet(folder / "rows.parquet"))
        return {file.name for file in (folder / "out").rglob("*.parquet")}


@pytest.mark.parametrize(
    ("lines", "settings", "expected"),
    [
        (["1,a", "2,b"] * 4, {"types": {"x": "float", "y": "string"}}, set()),
        (["1,2026-01-01", "2,2026-01-02"] * 4, {}, set()),
        (["1,2026-01-01", "2,2026-01-02"] * 4, {"types": {"y": "date"}}, {"undecided.parquet"}),
        (["1,31/01/2026"] * 4, {}, {"undecided.parquet"}),
        (["1,a"] * 4 + ["1.5,a"], {}, {"raw.parquet"}),
    ],
    ids=["as expected", "dates", "declared date", "year last", "another type later"],
)
def test_rows_are_put_aside_only_where_all_values_decide_on_a_type(
    tmp_path: Path, lines: list[str], settings: dict[str, Any], expected: set[str]
) -> None:
    assert put_aside(tmp_path, lines, **settings) == expected


def test_of_several_files_one_decides_for_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,soon\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("x,y\n1.5,31/01/2026\n", encoding="utf-8")
    assert read_source(CsvSource(uri=str(tmp_path)))[0].rows() == [(1.0, "soon"), (1.5, "31/01/2026")]
    (tmp_path / "a.csv").write_text("x,y\n1,30/01/2026\n", encoding="utf-8")
    assert read_source(CsvSource(uri=str(tmp_path)))[0]["y"].to_list() == [date(2026, 1, 30), date(2026, 1, 31)]


def test_packed_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "rows.csv.gz").write_bytes(gzip.compress(f"x,y\n{number},a\n".encode()))
    assert read_source(CsvSource(uri=f"{tmp_path}/*/rows.csv.gz"))[0]["x"].to_list() == [1, 2]


def test_files_are_compared_by_the_types_of_all_their_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n2\n3\nfour\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("x\nfive\n", encoding="utf-8")
    assert read_source(CsvSource(uri=str(tmp_path)))[0]["x"].to_list() == ["1", "2", "3", "four", "five"]
