"""The looks whose figures may ask for a training run: those at production, since it became production."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.monitoring.retraining import _of_production
from trainer.run.records import Interval, LabelledPerformance, MonitorResult, Production, VersionLook

SECOND = Production(model="m", version="2", since="2026-03-01T00:00:00+00:00")
FIRST = SECOND.model_copy(update={"version": "1"})
ZERO = Interval(value=0.5, lower=0.4, upper=0.6)


def look(day: int, production: Production | None, *versions: str, **own: Any) -> tuple[str, str, MonitorResult]:
    """Return a look in March at some versions, with a drop by which it is known again."""
    drop = Interval(value=day / 100, lower=-0.1, upper=0.1)
    found = LabelledPerformance(
        metric="auc_roc", rows=100, metrics={"auc_roc": ZERO}, reference_rows=100, reference={"auc_roc": ZERO},
        drop=drop, confidence=0.95, drop_bound=-0.1,
    )  # fmt: skip
    looks = [
        VersionLook(model="m", version=version, runs=[], rows=0, performance=found, drift_share=0.1, **own)
        for version in versions
    ]
    result = MonitorResult(looks=looks, taken=[], judged="", page="", mlflow_run="", production=production)
    return f"look-{day}", f"2026-03-{day:02}T07:00:00+00:00", result


@pytest.mark.parametrize(
    ("looks", "counted"),
    [
        pytest.param([look(2, SECOND, "2"), look(9, SECOND, "1", "2")], ["look-2", "look-9"], id="at production"),
        pytest.param([look(2, SECOND, "1"), look(9, SECOND, "2")], ["look-9"], id="another version"),
        pytest.param([look(2, FIRST, "2"), look(9, SECOND, "2")], ["look-9"], id="before its promotion"),
        pytest.param(
            [look(2, SECOND, "2"), look(9, FIRST, "1", "2"), look(16, SECOND, "2")], ["look-16"],
            id="before a rollback and a move back by hand",
        ),
        pytest.param([look(2, None, "2"), look(9, SECOND, "2")], ["look-9"], id="a look of an earlier release"),
        pytest.param([look(2, SECOND, "2", not_looked_at="gone")], [], id="a version that could not be looked at"),
    ],
)  # fmt: skip
def test_looks_that_may_count(looks: list[Any], counted: list[str]) -> None:
    found = _of_production(looks, SECOND)
    assert [one.look for one in found] == counted
    assert [one.performance_drop for one in found] == [int(key.removeprefix("look-")) / 100 for key in counted]


def test_without_production_no_look_counts() -> None:
    assert _of_production([look(2, None, "1")], None) == []


def test_a_look_from_before_the_promotion_does_not_count() -> None:
    late = SECOND.model_copy(update={"since": "2026-03-05T00:00:00+00:00"})
    assert [one.look for one in _of_production([look(2, late, "2"), look(9, late, "2")], late)] == ["look-9"]
