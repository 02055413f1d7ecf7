"""The windows of a backtest: equal in length, without gaps, and with rows in each."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from trainer.backtest.windows import times_of, windows_of
from trainer.errors import ConfigurationError, DataValidationError

DAYS = pl.datetime_range(datetime(2026, 1, 1), datetime(2026, 4, 10), "1d", eager=True).alias("seen")


def test_every_newer_row_is_in_exactly_one_window() -> None:
    windows = windows_of(DAYS, 4, 0.5)
    assert windows[0].begin == DAYS[round(0.5 * (len(DAYS) - 1))]
    assert [one.end for one in windows[:-1]] == [one.begin for one in windows[1:]]
    inside = [int(((one.begin <= DAYS) & (one.end > DAYS)).sum()) for one in windows]
    assert sum(inside) == (windows[0].begin <= DAYS).sum()
    assert max(inside) - min(inside) <= 1


def test_one_window_has_nothing_to_live_in() -> None:
    with pytest.raises(ConfigurationError, match="--windows 1: at least 2 are needed"):
        windows_of(DAYS, 1, 0.5)


def test_a_window_without_rows_is_named() -> None:
    sparse = pl.concat([DAYS.head(80), DAYS.tail(2)])
    with pytest.raises(
        DataValidationError, match=r"'seen': no row lies between 2026-03-\d\d .* use fewer than 10 windows"
    ):
        windows_of(sparse, 10, 0.5)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ({"seen": ["2026-01-01"]}, "must be a column of dates or datetimes, and it is String"),
        ({"when": [1]}, "and the columns are when"),
        ({"seen": [datetime(2026, 1, 1), None]}, "is missing in 1 of 2 rows"),
    ],
)
def test_a_column_without_times_is_refused(rows: dict[str, list[object]], found: str) -> None:
    with pytest.raises(DataValidationError, match=found):
        times_of(pl.DataFrame(rows).lazy(), "seen")
