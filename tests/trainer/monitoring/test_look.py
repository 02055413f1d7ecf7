"""A look at a version: what is judged, what is not, and why."""

from __future__ import annotations

from typing import Any, cast

import polars as pl
import pytest

from tests.trainer.problems.made_up import make
from tests.world import PROJECT, quick_churn
from trainer.monitoring.look import Evidence, _answers, _performance
from trainer.monitoring.version import FITTED_AGAIN, WatchedVersion
from trainer.pipeline import load_pipeline


def test_a_version_that_was_fitted_on_everything_has_no_estimate() -> None:
    pipeline = quick_churn().model_copy(update={"refit": "everything"})
    nothing = pl.DataFrame()
    version = WatchedVersion(cast("Any", None), pipeline, nothing, pl.Series(["x"]))
    evidence = Evidence(cast("Any", None), pipeline, version, nothing.lazy(), [], None, "", nothing)
    fresh = pl.DataFrame({"id": ["a"], "probability": [0.5]})
    assert _answers(evidence, fresh) == {"no_answers": FITTED_AGAIN, "no_estimate": FITTED_AGAIN}


@pytest.mark.parametrize(
    ("file", "problem", "worse"),
    [("california_housing", "regression", 2.0), ("mnist", "multiclass_classification", 3.0)],
)
def test_a_drop_is_above_0_whichever_way_the_metric_improves(file: str, problem: str, worse: float) -> None:
    pipeline = load_pipeline(PROJECT / "include" / "pipelines" / f"{file}.yaml")
    found = _performance(pipeline, make(problem, model=1), make(problem, model=2, noise=worse))["performance"]
    assert found.metric == pipeline.gates.against_production.metric
    assert 0 < found.drop.lower < found.drop.value < found.drop.upper
    assert [*found.metrics] == [*found.reference]


def test_labels_of_one_class_give_no_performance() -> None:
    before = make("binary_classification")
    one = before.rows(before.truth == before.positive)
    found = _performance(quick_churn(), before, one)
    assert found == {"no_performance": "auc_roc is undefined: all labels are of one class"}
