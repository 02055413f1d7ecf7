"""Splitters: shares, reproducibility, and rows that stay where they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import HashSplit, RandomSplit, TimeSplit
from trainer.tables.row_keys import row_keys
from trainer.tables.splitters import HashSplitter, RandomSplitter, TimeSplitter, rows_newer_than, splitter_for

ROWS = 4000
KEYS = row_keys(pl.DataFrame({"id": range(ROWS)}), "id")
LABELS = pl.Series("y", np.random.default_rng(1).choice(["no", "yes"], ROWS, p=[0.8, 0.2]).tolist())
SPLITTERS = {"hash": HashSplitter(), "random": RandomSplitter(), "stratified": RandomSplitter(stratify=True)}


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
def test_shares_are_about_those_asked_for_and_repeatable(splitter: HashSplitter | RandomSplitter) -> None:
    parts = splitter.split(KEYS, LABELS)
    shares = dict(parts.value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.025)
    assert parts.equals(splitter.split(KEYS, LABELS))


def test_another_seed_gives_other_parts() -> None:
    assert not HashSplitter(seed=1).split(KEYS).equals(HashSplitter(seed=2).split(KEYS))
    assert not RandomSplitter(seed=1).split(KEYS).equals(RandomSplitter(seed=2).split(KEYS))


def test_a_row_keeps_its_part_in_a_later_snapshot() -> None:
    later = KEYS.sample(fraction=0.5, shuffle=True, seed=3)
    before = dict(zip(KEYS, HashSplitter().split(KEYS), strict=True))
    assert [before[key] for key in later] == HashSplitter().split(later).to_list()


def test_the_test_part_does_not_depend_on_the_size_of_the_validation_part() -> None:
    small, large = HashSplitter(validation=0.05).split(KEYS), HashSplitter(validation=0.4).split(KEYS)
    assert (small == "test").equals(large == "test")


@pytest.mark.parametrize("stratify", [False, True], ids=["plain", "stratified"])
def test_a_random_split_is_that_of_scikit_learn(stratify: bool) -> None:
    parts = RandomSplitter(test=0.2, validation=0.2, stratify=stratify).split(KEYS, LABELS)
    rows, classes = np.arange(ROWS), LABELS.to_numpy()
    rest, test = train_test_split(rows, test_size=0.2, random_state=42, stratify=classes if stratify else None)
    rest_classes = classes[rest] if stratify else None
    _, validation = train_test_split(rest, test_size=0.25, random_state=42, stratify=rest_classes)
    assert sorted(test) == (parts == "test").arg_true().to_list()
    assert sorted(validation) == (parts == "validation").arg_true().to_list()


def test_rows_with_equal_keys_share_the_part_of_the_first() -> None:
    repeated = pl.concat([KEYS[:200], KEYS[:200]])
    parts, moved = RandomSplitter().split_and_count_moved(repeated)
    assert parts[:200].equals(parts[200:])
    assert moved > 0
    assert HashSplitter().split_and_count_moved(repeated)[1] == 0


def test_splitter_for_chooses_by_kind_and_keeps_what_is_configured() -> None:
    assert splitter_for(RandomSplit(test=0.3, stratify=True)) == RandomSplitter(test=0.3, stratify=True)
    assert splitter_for(HashSplit(seed=7)) == HashSplitter(seed=7)


@pytest.mark.parametrize("splitter", [HashSplitter(), RandomSplitter()], ids=["hash", "random"])
def test_a_class_absent_from_a_part_is_refused(splitter: HashSplitter | RandomSplitter) -> None:
    labels = pl.Series("y", ["rare"] + ["no"] * (ROWS - 1))
    with pytest.raises(DataValidationError, match="none of the 1 rows of class 'rare' is in the part"):
        splitter.split(KEYS, labels)


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DataValidationError, match=r"the part '(test|validation)' is empty, of 2 rows"):
        HashSplitter(test=0.001, validation=0.001).split(KEYS[:2])


def test_rows_that_scikit_learn_cannot_split_are_refused() -> None:
    with pytest.raises(DataValidationError, match="of 1 rows cannot be set aside"):
        RandomSplitter().split(KEYS[:1])
    with pytest.raises(DataValidationError, match="cannot be set aside"):
        RandomSplitter(stratify=True).split(KEYS[:50], pl.Series("y", ["rare"] + ["no"] * 49))


FIRST_HOUR = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = pl.Series("hour", [FIRST_HOUR + timedelta(hours=number) for number in range(100)])
SHUFFLED = HOURS.sample(fraction=1.0, shuffle=True, seed=5)
HOUR_KEYS = row_keys(pl.DataFrame({"id": range(100)}), "id")


def hours_of(parts: pl.Series, part: str, times: pl.Series = SHUFFLED) -> list[int]:
    return sorted(int((time - FIRST_HOUR).total_seconds() // 3600) for time in times.filter(parts == part))


@pytest.mark.parametrize(
    ("split", "validation", "test"),
    [
        (TimeSplitter(validation=0.1, test=0.2), range(70, 80), range(80, 100)),
        (TimeSplitter(validation_hours=5, test_hours=20), range(75, 80), range(80, 100)),
        (TimeSplitter(validation=0.1, test_hours=20), range(70, 80), range(80, 100)),
    ],
    ids=["shares", "hours", "both"],
)
def test_the_newest_rows_are_for_testing(split: TimeSplitter, validation: range, test: range) -> None:
    parts = split.split(HOUR_KEYS, None, SHUFFLED)
    assert hours_of(parts, "test") == [*test]
    assert hours_of(parts, "validation") == [*validation]
    assert hours_of(parts, "train") == [*range(validation.start)]


def test_days_are_counted_whole_and_rows_of_one_moment_stay_together() -> None:
    days = pl.Series("day", [date(2026, 1, 1) + timedelta(days=number // 24) for number in range(240)])
    keys = row_keys(pl.DataFrame({"id": range(240)}), "id")
    by_hours = TimeSplitter(validation_hours=24, test_hours=48).split(keys, None, days)
    assert by_hours.to_list() == ["train"] * 168 + ["validation"] * 24 + ["test"] * 48
    by_share = TimeSplitter(validation=0.1, test=0.11).split(keys, None, days)
    assert by_share.to_list() == ["train"] * 168 + ["validation"] * 24 + ["test"] * 48


def test_all_that_is_newer_than_a_moment_can_be_for_testing() -> None:
    days = pl.Series("day", [date(2026, 1, 1) + timedelta(days=number // 24) for number in range(240)])
    for times in (days, days.cast(pl.Datetime("ms"))):
        parts = TimeSplitter(validation_hours=24, test_hours=5).split_after(datetime(2026, 1, 6), None, times)
        assert parts.to_list() == ["train"] * 120 + ["validation"] * 24 + ["test"] * 96
        assert rows_newer_than(datetime(2026, 1, 9, 23), times) == 24
    with pytest.raises(DataValidationError, match="split: the part 'test' is empty, of 240 rows"):
        TimeSplitter().split_after(datetime(2026, 1, 10), None, days)


def test_many_newer_rows_leave_as_many_to_learn_from_as_few() -> None:
    """A production that stayed for long over a short history: ten rows that it knows, ninety that are newer."""
    moments = pl.Series("hour", [datetime(2026, 1, 1) + timedelta(hours=number) for number in range(100)])
    parts = TimeSplitter(validation=0.15, test=0.25).split_after(moments[9], None, moments)
    assert parts.to_list() == ["train"] * 8 + ["validation"] * 2 + ["test"] * 90


def test_newer_rows_alone_or_of_one_class_are_refused_with_what_helps() -> None:
    moments = pl.Series("hour", [datetime(2026, 1, 1) + timedelta(hours=number) for number in range(20)])
    with pytest.raises(DataValidationError, match="all 20 rows are newer than 2025-12-31 .*: validation"):
        TimeSplitter().split_after(datetime(2025, 12, 31), None, moments)
    labels = pl.Series("y", ["no", "yes"] * 8 + ["no"] * 4)
    with pytest.raises(DataValidationError, match=r"'yes' is in the part 'test' .* wait for more rows of that class"):
        TimeSplitter(validation=0.3).split_after(moments[15], labels, moments)


def test_an_id_may_come_again_later() -> None:
    parts, moved = TimeSplitter().split_and_count_moved(pl.concat([HOUR_KEYS[:50], HOUR_KEYS[:50]]), None, HOURS)
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
        TimeSplitter().split(HOUR_KEYS, None, times)


def test_a_split_by_time_needs_times() -> None:
    with pytest.raises(ConfigurationError, match=r"name it under `columns\.time`"):
        TimeSplitter().split(HOUR_KEYS)
    assert isinstance(splitter_for(TimeSplit(test_hours=24)), TimeSplitter)
