"""A broken month of a seasonal table is found, and an ordinary one is not taken for drift."""

from __future__ import annotations

from datetime import date
from functools import cache

import polars as pl
import pytest

from trainer.drift.compare import compare_tables
from trainer.drift.months import FEWEST_MONTHS, month_limits
from trainer.pipeline import Drift
from trainer.sources.samples.bikes import generate_bikes

TIME = "dteday"
COLUMNS = ["season", "hr", "holiday", "weekday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed", "cnt"]
BROKEN = {
    "scaled": ("hum", pl.col("hum") * 100),
    "shifted": ("temp", pl.col("temp") + 0.5),
    "emptied": ("windspeed", pl.lit(None, pl.Float64)),
    "unknown categories": ("weathersit", pl.lit(9, pl.Int64)),
}


@cache
def rows() -> pl.DataFrame:
    """Two years of hours."""
    return generate_bikes(seed=42).frame


def months() -> list[date]:
    return rows()[TIME].dt.truncate("1mo").unique().sort().to_list()


def split(number: int) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The rows before a month, counted from 0, and those of it."""
    month = pl.col(TIME).dt.truncate("1mo")
    return rows().lazy().filter(month < months()[number]), rows().lazy().filter(month == months()[number])


def drifted(number: int, *, changed: dict[str, pl.Expr] | None = None, seasons: bool = True) -> list[str]:
    before, month = split(number)
    usual = month_limits(before, TIME, COLUMNS) if seasons else {}
    found = compare_tables(before, month.with_columns(**(changed or {})), COLUMNS, Drift(), usual)
    return [drift.column for drift in found if drift.drifted]


@pytest.mark.parametrize("number", range(FEWEST_MONTHS, 24, 3))
def test_an_ordinary_month_is_quiet(number: int) -> None:
    assert len(drifted(number)) / len(COLUMNS) < Drift().share <= len(drifted(number, seasons=False)) / len(COLUMNS)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_month_is_found(fault: str) -> None:
    column, broken = BROKEN[fault]
    assert column not in drifted(20)
    assert column in drifted(20, changed={column: broken})


def test_without_a_year_of_months_there_is_no_usual_distance() -> None:
    before, _ = split(FEWEST_MONTHS - 1)
    assert month_limits(before, TIME, COLUMNS) == {}
    assert month_limits(rows().lazy(), None, COLUMNS) == {}
    assert month_limits(rows().lazy(), "hr", COLUMNS) == {}


def test_a_month_that_has_only_begun_does_not_count() -> None:
    before, month = split(FEWEST_MONTHS)
    begun = pl.concat([before, month.head(24).with_columns(temp=pl.lit(50.0))])
    usual, ordinary = (month_limits(table, TIME, ["temp"])["temp"] for table in (begun, before))
    assert usual["ks"] == pytest.approx(ordinary["ks"], abs=0.01)
