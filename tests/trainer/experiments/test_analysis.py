"""Looks and results of experiments whose units are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.experiments.analysis import Units, looks_of, verdict
from trainer.experiments.records import SECONDS_PER_DAY, Experiment, Outcome

START = 1_000_000.0
DAYS = 7


def experiment(**changes: Any) -> Experiment:
    whole = {
        "name": "plans", "model": "churn", "version_a": "3", "version_b": "4", "traffic_split": 0.5, "salt": "s",
        "duration_days": DAYS, "created_at": START, "started_at": START,
    } | changes  # fmt: skip
    return Experiment.model_validate(whole)


def units(rate_a: float, rate_b: float, number: int = 4000, lost_in_b: float = 0.0, share_b: float = 0.5) -> Units:
    """Units of seven days; the outcomes come a day after the first answer, and zeros of B may get lost."""
    random = np.random.default_rng(7)
    in_b = random.random(number) < share_b
    at = START + SECONDS_PER_DAY * np.linspace(0, 6, number)
    value = (random.random(number) < np.where(in_b, rate_b, rate_a)).astype(float)
    lost = in_b & (value == 0) & (random.random(number) < lost_in_b)
    return Units(in_b, at, np.where(lost, np.nan, value), np.where(lost, np.nan, at + SECONDS_PER_DAY))


def result(found: Units, day: float = DAYS, **changes: Any) -> Outcome:
    now, one = START + day * SECONDS_PER_DAY, experiment(**changes)
    return verdict(one, looks_of(one, found, now)[-1], now)


def test_a_look_at_each_day_counts_what_was_known_then() -> None:
    found = looks_of(experiment(), units(0.3, 0.4), START + 2.5 * SECONDS_PER_DAY)
    assert [look.days for look in found] == [1, 2, 2.5]
    assert [sum(look.units) for look in found] == pytest.approx([4000 / 6, 4000 / 3, 4000 * 2.5 / 6], abs=1)
    assert [look.a.count + look.b.count for look in found] == pytest.approx([1, 4000 / 6, 1000], abs=1)
    assert [look.interval is None for look in found] == [True, False, False]
    assert [look.days for look in looks_of(experiment(), units(0.3, 0.4), START + SECONDS_PER_DAY)] == [1]


@pytest.mark.parametrize(
    ("rates", "day", "expected", "winner"),
    [
        pytest.param((0.3, 0.4), 7, "winner", "b", id="b"),
        pytest.param((0.4, 0.3), 7, "winner", "a", id="a"),
        pytest.param((0.3, 0.3), 5, "not enough", "", id="it runs"),
        pytest.param((0.3, 0.3), 7, "none", "", id="its days are over"),
        pytest.param((0.0, 1.0), 1.01, "not enough", "", id="few outcomes"),
        pytest.param((0.0, 1.0), 0, "not enough", "", id="no unit"),
    ],
)
def test_results(rates: tuple[float, float], day: float, expected: str, winner: str) -> None:
    found = result(units(*rates), day)
    assert (found.verdict, found.winner) == (expected, winner)
    if winner:
        assert f"version {experiment().version_of(winner)}; B - A is between" in found.text


def test_an_ended_experiment_without_a_winner_has_none() -> None:
    assert result(units(0.3, 0.3), 5, ended_at=START + 5 * SECONDS_PER_DAY).verdict == "none"


def test_units_that_are_lost_forbid_a_winner() -> None:
    found = result(units(0.3, 0.6, share_b=0.42))
    assert (found.verdict, found.winner) == ("mismatch", "")
    assert "B should have 50.00% of the units and has 4" in found.text


def test_outcomes_that_are_lost_in_one_arm_forbid_a_winner() -> None:
    found = result(units(0.3, 0.3, lost_in_b=0.5))
    assert (found.verdict, found.winner) == ("mismatch", "")


def test_a_mismatch_does_not_pass_away() -> None:
    found = units(0.3, 0.3, 40_000)
    first, last = (found.first_at - START < day * SECONDS_PER_DAY for day in (0.5, 5.5))
    in_b = (found.in_b & ~first) | ~last  # B lacks units on the first day, and has as many too many on the last one
    looks = looks_of(
        experiment(), Units(in_b, found.first_at, found.value, found.recorded_at), START + 6 * SECONDS_PER_DAY
    )
    assert in_b.mean() == pytest.approx(0.5, abs=0.01)
    assert {look.is_mismatch for look in looks} == {True}
