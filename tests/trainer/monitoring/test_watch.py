"""Missing values and unseen categories."""

from __future__ import annotations

import polars as pl

from trainer.monitoring.watch import watch_columns


def test_missing_values_and_unseen_categories() -> None:
    before = pl.LazyFrame({"plan": ["a", "b", None, "a"], "age": [1.0, 2.0, 3.0, 4.0]})
    now = pl.LazyFrame({"plan": ["a", "c", "c", "d"], "age": [9.0, None, float("nan"), 4.0]})
    plan, age = watch_columns(before, now, ["plan", "age"])
    assert (plan.missing, plan.missing_before, plan.unseen, plan.examples) == (0.0, 0.25, 3, ["c", "d"])
    assert (age.missing, age.missing_before, age.unseen, age.examples) == (0.5, 0.0, 0, [])
