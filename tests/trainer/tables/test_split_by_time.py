"""The split by time: the newest rows are for testing, by shares or by hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import TimeSplit
from trainer.tables.row_keys import row_keys
from trainer.tables.split_by_time import rows_newer_than, split_after, split_by_time
from trainer.tables.splits import split_rows

FIRST_HOUR = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = pl.Series("hour", [FIRST_HOUR + timedelta(hours=number) for number in range(100)])
SHUFFLED = HOURS.sample(fraction=1.0, shuffle=True, seed=5)
HOUR_KEYS = row_keys(pl.DataFrame({"id": range(100)}), "id")


def hours_of(parts: pl.Series, part: str, times: pl.Series = SHUFFLED) -> list[int]:
    return sorted(int((time - FIRST_HOUR).total_seconds() // 3600) for time in times.filter(parts == part))


@pytest.mark.parametrize(
    ("split", "validation", "test"),
    [
        (TimeSplit(validation=0.1, test=0.2), range(70, 80), range(80, 100)),
        (TimeSplit(validation_hours=5, test_hours=20), range(75, 80), range(80, 100)),
        (TimeSplit(validation=0.1, test_hours=20), range(70, 80), range(80, 100)),
    ],
    ids=["shares", "hours", "both"],
)
def test_the_newest_rows_are_for_testing(split: TimeSplit, validation: range, test: range) -> None:
    parts = split_by_time(split, None, SHUFFLED)
    assert hours_of(parts, "test") == [*test]
    assert hours_of(parts, "validation") == [*validation]
    assert hours_of(parts, "train") == [*range(validation.start)]


def test_days_are_counted_whole_and_rows_of_one_moment_stay_together() -> None:
    days = pl.Series("day", [date(2026, 1, 1) + timedelta(days=number // 24) for number in range(240)])
    by_hours = split_by_time(TimeSplit(validation_hours=24, test_hours=48), None, days)
    assert by_hours.to_list() == ["train"] * 168 + ["validation"] * 24 + ["test"] * 48
    by_share = split_by_time(TimeSplit(validation=0.1, test=0.11), None, days)
    assert by_share.to_list() == ["train"] * 168 + ["validation"] * 24 + ["test"] * 48


def test_all_that_is_newer_than_a_moment_can_be_for_testing() -> None:
    days = pl.Series("day", [date(2026, 1, 1) + timedelta(days=number // 24) for number in range(240)])
    for times in (days, days.cast(pl.Datetime("ms"))):
        parts = split_after(TimeSplit(validation_hours=24, test_hours=5), datetime(2026, 1, 6), None, times)
        assert parts.to_list() == ["train"] * 120 + ["validation"] * 24 + ["test"] * 96
        assert rows_newer_than(datetime(2026, 1, 9, 23), times) == 24
    with pytest.raises(DataValidationError, match="split: the part 'test' is empty, of 240 rows"):
        split_after(TimeSplit(), datetime(2026, 1, 10), None, days)


def test_many_newer_rows_leave_as_many_to_learn_from_as_few() -> None:
    """A production that stayed for long over a short history: ten rows that it knows, ninety that are newer."""
    moments = pl.Series("hour", [datetime(2026, 1, 1) + timedelta(hours=number) for number in range(100)])
    parts = split_after(TimeSplit(validation=0.15, test=0.25), moments[9], None, moments)
    assert parts.to_list() == ["train"] * 8 + ["validation"] * 2 + ["test"] * 90


def test_newer_rows_alone_or_of_one_class_are_refused_with_what_helps() -> None:
    moments = pl.Series("hour", [datetime(2026, 1, 1) + timedelta(hours=number) for number in range(20)])
    with pytest.raises(DataValidationError, match="all 20 rows are newer than 2025-12-31 .*: validation"):
        split_after(TimeSplit(), datetime(2025, 12, 31), None, moments)
    labels = pl.Series("y", ["no", "yes"] * 8 + ["no"] * 4)
    with pytest.raises(DataValidationError, match=r"'yes' is in the part 'test' .* wait for more rows of that class"):
        split_after(TimeSplit(validation=0.3), moments[15], labels, moments)


def test_an_id_may_come_again_later() -> None:
    parts, moved = split_rows(TimeSplit(), pl.concat([HOUR_KEYS[:50], HOUR_KEYS[:50]]), None, HOURS)
    assert moved == 0
    assert set(parts[:50]) == {"train"}


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (HOURS.cast(pl.String), "columns.time: 'hour' is String, and a split by time needs dates or datetimes"),
        (pl.Series("hour", [None, *HOURS[1:]]), "columns.time: 'hour' is missing in 1 of 100 rows"),
        (pl.Series("hour", [FIRST_HOUR] * 100), "the part 'train' is empty"),
    ],
    ids=["text", "missing", "one moment"],
)
def test_times_that_cannot_be_split_by_are_refused(times: pl.Series, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        split_by_time(TimeSplit(), None, times)


def test_a_split_by_time_needs_times() -> None:
    with pytest.raises(ConfigurationError, match=r"name it under `columns\.time`"):
        split_by_time(TimeSplit(), None, None)
