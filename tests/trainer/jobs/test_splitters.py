"""Splitters: shares, reproducibility, and rows that stay where they are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from trainer.data.keys import row_keys
from trainer.errors import DataValidationError
from trainer.jobs.splitters import HashSplitter, RandomSplitter, splitter_for
from trainer.pipeline import HashSplit, RandomSplit

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
