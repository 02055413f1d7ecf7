"""Splits: shares, reproducibility, and rows that stay where they are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from trainer.errors import DataValidationError
from trainer.pipeline import AnySplit, GivenSplit, GroupSplit, HashSplit, RandomSplit
from trainer.tables.row_keys import row_keys
from trainer.tables.splits import split_rows

ROWS = 4000
KEYS = row_keys(pl.DataFrame({"id": range(ROWS)}), "id")
LABELS = pl.Series("y", np.random.default_rng(1).choice(["no", "yes"], ROWS, p=[0.8, 0.2]).tolist())
SPLITS = {"hash": HashSplit(), "random": RandomSplit(), "stratified": RandomSplit(stratify=True)}


def split(spec: AnySplit, keys: pl.Series, labels: pl.Series | None = None) -> pl.Series:
    """The parts, without the number of rows that were moved."""
    return split_rows(spec, keys, labels)[0]


@pytest.mark.parametrize("spec", SPLITS.values(), ids=SPLITS)
def test_shares_are_about_those_asked_for_and_repeatable(spec: HashSplit | RandomSplit) -> None:
    parts = split(spec, KEYS, LABELS)
    shares = dict(parts.value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.025)
    assert parts.equals(split(spec, KEYS, LABELS))


def test_another_seed_gives_other_parts() -> None:
    assert not split(HashSplit(seed=1), KEYS).equals(split(HashSplit(seed=2), KEYS))
    assert not split(RandomSplit(seed=1), KEYS).equals(split(RandomSplit(seed=2), KEYS))


def test_a_row_keeps_its_part_in_a_later_snapshot() -> None:
    later = KEYS.sample(fraction=0.5, shuffle=True, seed=3)
    before = dict(zip(KEYS, split(HashSplit(), KEYS), strict=True))
    assert [before[key] for key in later] == split(HashSplit(), later).to_list()


def test_the_test_part_does_not_depend_on_the_size_of_the_validation_part() -> None:
    small, large = split(HashSplit(validation=0.05), KEYS), split(HashSplit(validation=0.4), KEYS)
    assert (small == "test").equals(large == "test")


@pytest.mark.parametrize("stratify", [False, True], ids=["plain", "stratified"])
def test_a_random_split_is_that_of_scikit_learn(stratify: bool) -> None:
    parts = split(RandomSplit(test=0.2, validation=0.2, stratify=stratify), KEYS, LABELS)
    rows, classes = np.arange(ROWS), LABELS.to_numpy()
    rest, test = train_test_split(rows, test_size=0.2, random_state=42, stratify=classes if stratify else None)
    rest_classes = classes[rest] if stratify else None
    _, validation = train_test_split(rest, test_size=0.25, random_state=42, stratify=rest_classes)
    assert sorted(test) == (parts == "test").arg_true().to_list()
    assert sorted(validation) == (parts == "validation").arg_true().to_list()


def test_rows_with_equal_keys_share_the_part_of_the_first() -> None:
    repeated = pl.concat([KEYS[:200], KEYS[:200]])
    parts, moved = split_rows(RandomSplit(), repeated)
    assert parts[:200].equals(parts[200:])
    assert moved > 0
    assert split_rows(HashSplit(), repeated)[1] == 0


@pytest.mark.parametrize("spec", [HashSplit(), RandomSplit()], ids=["hash", "random"])
def test_a_class_absent_from_a_part_is_refused(spec: HashSplit | RandomSplit) -> None:
    labels = pl.Series("y", ["rare"] + ["no"] * (ROWS - 1))
    with pytest.raises(DataValidationError, match="none of the 1 rows of class 'rare' is in the part"):
        split(spec, KEYS, labels)


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DataValidationError, match=r"the part '(test|validation)' is empty, of 2 rows"):
        split(HashSplit(test=0.001, validation=0.001), KEYS[:2])


def test_rows_that_scikit_learn_cannot_split_are_refused() -> None:
    with pytest.raises(DataValidationError, match="of 1 rows cannot be set aside"):
        split(RandomSplit(), KEYS[:1])
    with pytest.raises(DataValidationError, match="cannot be set aside"):
        split(RandomSplit(stratify=True), KEYS[:50], pl.Series("y", ["rare"] + ["no"] * 49))


def test_a_column_may_name_test_and_validation_rows() -> None:
    given = pl.Series("part", ["train", "valid", "test", None] * 50)
    spec = GivenSplit(column="part", test_values=["test"], validation_values=["valid", "dev"])
    parts = split_rows(spec, KEYS.head(200), given=given)[0]
    assert parts.to_list() == ["train", "validation", "test", "train"] * 50
    drawn = split_rows(spec.model_copy(update={"validation_values": []}), KEYS.head(200), given=given)[0]
    assert drawn.filter(given == "test").unique().to_list() == ["test"]
    others = drawn.filter((given != "test").fill_null(value=True))
    assert 0.05 < int((others == "validation").sum()) / len(others) < 0.3


@pytest.mark.parametrize("field", ["test_values", "validation_values"])
def test_a_value_that_no_row_has_is_told(field: str) -> None:
    given = pl.Series("part", ["train", "valid", "test"] * 10)
    spec = GivenSplit(column="part", **{"test_values": ["test"], field: ["tset"]})
    with pytest.raises(DataValidationError, match=rf"split\.{field}: no row has 'tset' in 'part', so there is none to"):
        split_rows(spec, KEYS.head(30), given=given)


GROUPS = pl.Series("team", [f"team {number % 400}" for number in range(ROWS)])


def test_a_group_is_in_one_part_and_keeps_it_in_a_later_snapshot() -> None:
    parts, moved = split_rows(GroupSplit(column="team"), KEYS, LABELS, given=GROUPS)
    part_of = dict(zip(GROUPS, parts, strict=True))
    assert moved == 0
    assert [part_of[group] for group in GROUPS] == parts.to_list()
    shares = dict(parts.value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.05)
    later = pl.concat([pl.Series("team", ["a new team"] * 5), GROUPS.sample(900, seed=1, shuffle=True)])
    again = split_rows(GroupSplit(column="team"), KEYS.head(905), given=later)[0]
    assert [part_of[group] for group in later[5:]] == again[5:].to_list()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param(None, "the rows have no column 'team'", id="absent"),
        pytest.param(GROUPS.set(pl.Series(np.arange(ROWS) == 17), None), r"missing in 1 of 4,000 rows .first: row 18.", id="missing"),
        pytest.param(pl.Series("team", [np.nan, *[1.0] * (ROWS - 1)]), "missing in 1 of 4,000 rows .first: row 1.", id="nan"),
        pytest.param(GROUPS.str.replace_all(r"\d+", ""), "part '(train|validation)' is empty.*the 1 groups of 'team'", id="few"),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_split_are_refused(groups: pl.Series | None, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        split_rows(GroupSplit(column="team"), KEYS, given=groups)
