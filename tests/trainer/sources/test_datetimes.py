"""Dates and times as texts: all that stand in a column, and none that is none."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from trainer.sources import datetimes
from trainer.sources.datetimes import Order, to_datetime

NOON = datetime(2026, 2, 1, 12, 30)


def read(*texts: str | None, order: Order | None = None) -> list[datetime | None]:
    rows = pl.LazyFrame({"x": texts}, schema={"x": pl.String})
    return rows.select(to_datetime(rows, "x", order)).collect(engine="streaming").to_series().to_list()


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2026-02-01 12:30", None), ("2026/02/01 12:30:00", None), ("2026-02-01T12:30:00.000", None),
        ("01/02/2026 12:30", "day"), ("1-2-2026 12:30:00", "day"), ("02/01/2026 12:30", "month"),
        ("2/1/2026 12:30 PM", "month"), ("02-01-2026 12:30:00 pm", "month"),
    ],
)  # fmt: skip
def test_ways_of_writing_a_moment(text: str, order: Order | None) -> None:
    assert read(None, text, order=order) == [None, NOON]


def test_several_ways_stand_in_one_column() -> None:
    assert read("2026-02-01T12:30", "2026-02-01", "x", "2026/02/01 12:30:00") == [
        NOON, datetime(2026, 2, 1), None, NOON,
    ]  # fmt: skip


def test_a_way_that_comes_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datetimes, "LOOKED_AT", 2)
    assert read("2026-02-01", "2026-02-01", "2026-02-01 12:30:00") == [datetime(2026, 2, 1)] * 2 + [NOON]


def test_offsets_make_moments_in_utc() -> None:
    assert read("2026-02-01T12:30:00Z", "2026-02-01T14:30:00+02:00") == [NOON.replace(tzinfo=UTC)] * 2


def test_the_year_may_come_first_beside_an_order_of_day_and_month() -> None:
    assert read("01/02/2026 12:30", "2026-02-01 12:30", order="day") == [NOON, NOON]
    assert read("01/02/2026 12:30", "2026-02-01 12:30") == [None, NOON]
    assert read("03/02/26", order="day") == [None]


def test_what_is_no_moment() -> None:
    assert read("soon", "2026-02-30", "20260201", "") == [None] * 4
    assert read(None, None) == [None, None]
