"""The verdict on a version that has a part of the traffic: each limit, its interval, and too little to know anything."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scipy.stats import binomtest

from trainer.deployment.watch import quantile_interval, share_interval, verdict
from trainer.pipeline import Deployment
from trainer.serving.observed import Observations

RULES = Deployment(canary_minutes=10)
OVER, BEFORE = 601.0, 60.0


def seen(
    n: int = 400, *, seconds: float = OVER, failed: int = 0, ms: float = 10, seed: int = 1, **own: Any
) -> Observations:
    drawn = random.Random(seed)  # noqa: S311
    times = [ms * drawn.uniform(0.9, 1.1) for _ in range(n)]
    numbers = [drawn.betavariate(2, 5) for _ in range(n)]
    return Observations(**{
        "seconds": seconds, "answered": n, "failed": failed, "milliseconds": times, "numbers": numbers, **own,
    })  # fmt: skip


MAIN = seen(4000, seed=2)


def judged(canary: Observations, main: Observations = MAIN, *, classes: bool = False) -> Any:
    return verdict(RULES, canary, main, answers_are_classes=classes)


def test_a_version_like_the_one_in_service_is_released_at_the_end_and_not_before() -> None:
    early, late = judged(seen(seconds=BEFORE)), judged(seen())
    assert (early.is_over, early.take_back) == (False, [])
    assert (late.is_over, late.take_back) == (True, [])
    assert [(figure.name, figure.kept) for figure in late.figures] == [
        ("error_rate", True), ("latency_ratio", True), ("answers", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        (seen(60, seconds=BEFORE, failed=20), "failed to answer 20 of 80 requests (0.25, between"),
        (seen(300, seconds=BEFORE, ms=100), "times as long"),
        (seen(300, seconds=BEFORE, numbers=[0.99] * 300), "away from those of the version in service"),
    ],
    ids=["fails", "slow", "wrong"],
)
def test_what_is_beyond_doubt_ends_the_watch_at_once(canary: Observations, says: str) -> None:
    found = judged(canary)
    assert found.is_over
    assert [says in reason for reason in found.take_back] == [True]


def test_a_few_failures_say_nothing_before_the_end_and_count_there() -> None:
    assert not judged(seen(100, seconds=BEFORE, failed=3)).is_over
    (reason,) = judged(seen(100, failed=3, last_failure="out of memory")).take_back
    assert reason == (
        "it failed to answer 3 of 103 requests (0.0291, between 0.000845 and 0.145); the limit is 0.01; the last: out of memory"
    )


def test_too_few_requests_are_not_taken_for_good_ones() -> None:
    (reason,) = judged(seen(99)).take_back
    assert reason == (
        "it was asked 99 times in 10 minutes, and `deployment.min_requests` is 100: too few to know anything"
    )
    (none,) = judged(seen(0)).take_back
    assert none.startswith("it was asked 0 times")


def test_times_that_differ_by_little_pass_whatever_their_ratio() -> None:
    assert judged(seen(300, ms=6), seen(3000, ms=2)).take_back == []


def test_classes_are_compared_by_their_shares() -> None:
    main = seen(1000, numbers=[], labels=["a", "b"] * 500)
    alike, other = (seen(200, numbers=[], labels=labels) for labels in (["a", "b"] * 100, ["a"] * 200))
    assert judged(alike, main, classes=True).take_back == []
    assert len(judged(other, main, classes=True).take_back) == 1
    assert judged(seen(200, labels=["1"] * 200), main, classes=True).take_back  # numbers are names of classes here


def test_without_answers_of_the_other_version_nothing_is_compared() -> None:
    found = judged(seen(), Observations(seconds=OVER))
    assert ([figure.name for figure in found.figures], found.take_back) == (["error_rate"], [])


def test_intervals_hold_as_often_as_they_say() -> None:
    drawn = random.Random(7)  # noqa: S311
    truth = 0.95
    missed = sum(
        not low <= truth <= high
        for low, high in (quantile_interval([drawn.random() for _ in range(300)])[1:] for _ in range(2000))
    )
    assert missed <= 2  # each end misses once in 10,000
    exact = binomtest(3, 103).proportion_ci(confidence_level=1 - 2e-4, method="exact")
    assert share_interval(3, 103) == pytest.approx((exact.low, exact.high), rel=1e-6)
    assert share_interval(0, 50)[0] == 0
    assert share_interval(50, 50)[1] == 1
