"""Percentages of the traffic, and units that stay with their version."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from trainer.serving.traffic import Share, Split

UNITS = [f"customer {number}" for number in range(20_000)]


def split(*percents: float, salt: str = "a") -> Split:
    shares = [Share(version=str(number), percent=percent) for number, percent in enumerate(percents, start=1)]
    return Split(shares=tuple(shares), salt=salt)


def test_each_version_gets_its_part_of_the_units() -> None:
    counts = Counter(split(90, 10).version_for(unit) for unit in UNITS)
    assert counts["2"] / len(UNITS) == pytest.approx(0.1, abs=0.01)


def test_each_version_gets_its_part_of_requests_without_a_unit() -> None:
    halves = split(50, 50)
    assert Counter(halves.version_for(None) for _ in UNITS)["2"] / len(UNITS) == pytest.approx(0.5, abs=0.02)


def test_a_unit_stays_with_the_new_version_when_that_grows() -> None:
    first = {unit for unit in UNITS if split(90, 10).version_for(unit) == "2"}
    later = {unit for unit in UNITS if split(50, 50).version_for(unit) == "2"}
    assert first < later


def test_another_salt_divides_the_units_otherwise() -> None:
    here, there = ([split(50, 50, salt=salt).version_for(unit) for unit in UNITS] for salt in "ab")
    assert sum(one == other for one, other in zip(here, there, strict=True)) / len(UNITS) == pytest.approx(
        0.5, abs=0.02
    )


@pytest.mark.parametrize(
    ("percents", "says"),
    [((90, 20), "add up to 110, not to 100"), ((50,), "add up to 50"), ((0, 100), "greater than 0")],
)
def test_a_split_that_is_not_whole(percents: tuple[float, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        split(*percents)


def test_a_version_that_stands_twice() -> None:
    with pytest.raises(ValidationError, match="version 3 stands twice"):
        Split(shares=(Share(version="3", percent=50), Share(version="3", percent=50)))
