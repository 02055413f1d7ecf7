"""Dates and times as texts: all that stand in a column, and none that is none."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from trainer.data import moments
from trainer.data.moments import to_datetime

NOON = datetime(2026, 2, 1, 12, 30)


def read(*texts: str | None) -> list[datetime | None]:
    rows = pl.LazyFrame({"x": texts}, schema={"x": pl.String})
    return rows.select(to_datetime(rows, "x")).collect(engine="streaming").to_series().to_list()


@pytest.mark.parametrize(
    "text",
    ["2026-02-01 12:30", "2026/02/01 12:30:00", "2026-02-01T12:30:00.000", "01/02/2026 12:30", "1-2-2026 12:30:00"],
)
def test_ways_of_writing_a_moment(text: str) -> None:
    assert read(None, text) == [None, NOON]


def test_several_ways_stand_in_one_column() -> None:
    assert read("2026-02-01T12:30", "2026-02-01", "x", "2026/02/01 12:30:00") == [
        NOON, datetime(2026, 2, 1), None, NOON,
    ]  # fmt: skip


def test_a_way_that_comes_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "LOOKED_AT", 2)
    assert read("2026-02-01", "2026-02-01", "2026-02-01 12:30:00") == [datetime(2026, 2, 1)] * 2 + [NOON]


def test_offsets_make_moments_in_utc() -> None:
    assert read("2026-02-01T12:30:00Z", "2026-02-01T14:30:00+02:00") == [NOON.replace(tzinfo=UTC)] * 2


def test_the_day_comes_first_or_the_year_but_not_both() -> None:
    assert read("01/02/2026 12:30", "2026-02-01 12:30", "01/02/2026 12:30") == [NOON, None, NOON]
    assert read("03/02/26") == [None]


def test_what_is_no_moment() -> None:
    assert read("soon", "2026-02-30", "20260201", "") == [None] * 4
    assert read(None, None) == [None, None]
