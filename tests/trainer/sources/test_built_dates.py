"""Dates that stand in several columns."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource
from trainer.pipeline.sources import DateParts
from trainer.sources.built_dates import build_dates
from trainer.sources.readers import read_source

ROWS = pl.DataFrame({"y": [2026, 2024, None], "m": [2.0, 2.0, 1.0], "d": ["1", "29", "3"], "h": [5, 23, 0]})


def built(rows: pl.DataFrame, **parts: str) -> pl.Series:
    return build_dates(rows.lazy(), {"at": DateParts(**parts)}, "table").collect()["at"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"day": "d"}, [date(2026, 2, 1), date(2024, 2, 29), None]),
        ({}, [date(2026, 2, 1), date(2024, 2, 1), None]),
        ({"day": "d", "hour": "h"}, [datetime(2026, 2, 1, 5), datetime(2024, 2, 29, 23), None]),
        ({"day": "d", "hour": "h", "minute": "h"}, [datetime(2026, 2, 1, 5, 5), datetime(2024, 2, 29, 23, 23), None]),
    ],
    ids=["day", "month", "hour", "minute"],
)
def test_parts_make_a_date(parts: dict[str, str], expected: list[Any]) -> None:
    assert built(ROWS, year="y", month="m", **parts).to_list() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"d": ["30", "29", "3"]},
            r"table: source.dates.at: y, m, d make no date in 1 rows, such as \(2026, 2.0, '30'\);",
        ),
        ({"m": [1.5, 2.0, 1.0]}, r"make no date in 1 rows, such as \(2026, 1.5, '1'\)"),
        ({"y": [26, 24, None]}, "make no date in 2 rows"),
        ({"at": [1, 2, 3]}, "the table has a column 'at' already"),
    ],
    ids=["no such day", "a fraction", "two digits", "taken"],
)
def test_what_makes_no_date_is_refused(change: dict[str, Any], message: str) -> None:
    rows = ROWS.with_columns(pl.Series(name, values) for name, values in change.items())
    with pytest.raises(DataValidationError, match=message):
        built(rows, year="y", month="m", day="d")


def test_a_part_that_is_not_there() -> None:
    with pytest.raises(DataValidationError, match=r"there is no column 'mm'; did you mean 'm'\?"):
        built(ROWS, year="y", month="mm")


def test_a_source_builds_them_of_renamed_columns_and_before_it_chooses_rows(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    source = CsvSource(
        uri=str(tmp_path / "rows.csv"), rename={"y": "year"}, where="at > DATE '2025-01-01'",
        dates={"at": DateParts(year="year", month="m", day="d")},
    )  # fmt: skip
    assert read_source(source)[0]["at"].to_list() == [date(2026, 2, 1)]


def test_a_minute_needs_an_hour() -> None:
    with pytest.raises(ValueError, match="a minute needs an hour"):
        DateParts(year="y", month="m", day="d", minute="x")
