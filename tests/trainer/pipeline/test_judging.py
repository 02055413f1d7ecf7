"""Gates, acceptance and registry as a pipeline may state them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.pipeline import (
    METRICS,
    Acceptance,
    AgainstProduction,
    Behaviour,
    Gates,
    Limit,
    Registry,
    SliceGate,
    metrics_for,
)

AGAINST = {"metric": "auc_roc"}


def gates(**values: Any) -> Gates:
    return Gates.model_validate({"against_production": AGAINST, **values})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "not_worse"}, "`rule: not_worse` needs the loss in auc_roc"),
        ({"rule": "not_worse", "margin": 0}, "greater than 0"),
        ({"rule": "not_worse", "margin": -0.01}, "greater than 0"),
        ({"rule": "not_worse", "margin": float("inf")}, "finite"),
        ({"margin": 0.01}, "only `rule: not_worse` has a margin"),
        ({"rule": "better", "margin": 0.01}, "only `rule: not_worse` has a margin"),
        ({"rule": "always"}, "'better' or 'not_worse'"),
    ],
)
def test_a_margin_that_does_not_fit_the_rule_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AgainstProduction.model_validate({**AGAINST, **rule})


def test_a_year_of_comparisons_with_the_anchor_shares_the_error_of_one() -> None:
    rule = AgainstProduction.model_validate({**AGAINST, "rule": "not_worse", "margin": 0.01, "confidence": 0.9})
    assert 52 * (1 - rule.anchor_confidence) == pytest.approx(0.1)


def test_limits_are_one_list_of_metric_names() -> None:
    found = gates(weighted={"accuracy": 0.75, "f1_score": 0.7}, positive={"recall": 0.6}, auc_roc=0.8, log_loss=0.5)
    limits = [(limit.metric, limit.limit, limit.better) for limit in found.limits()]
    assert limits == [
        ("accuracy", 0.75, "higher"),
        ("f1_score", 0.7, "higher"),
        ("positive_recall", 0.6, "higher"),
        ("auc_roc", 0.8, "higher"),
        ("log_loss", 0.5, "lower"),
    ]


def test_without_absolute_limits_the_list_is_empty() -> None:
    assert gates().limits() == []


def test_a_limit_of_zero_is_a_limit() -> None:
    assert [limit.metric for limit in gates(r2=0.0).limits()] == ["r2"]


def test_every_metric_can_be_limited() -> None:
    weighted = dict.fromkeys(("accuracy", "precision", "recall", "f1_score"), 0.5)
    positive = dict.fromkeys(("precision", "recall", "f1_score"), 0.5)
    plain = {name: 0.5 for name in METRICS if name in Gates.model_fields}
    assert {limit.metric for limit in gates(weighted=weighted, positive=positive, **plain).limits()} == {*METRICS}


@pytest.mark.parametrize("metric", METRICS)
def test_better_follows_the_metric(metric: str) -> None:
    assert (Limit(metric=metric, limit=1).better == "higher") == METRICS[metric].greater_is_better


def test_metrics_that_get_better_as_they_fall() -> None:
    assert {name for name, info in METRICS.items() if not info.greater_is_better} == {
        "log_loss",
        "brier_score",
        "rmse",
        "mse",
        "mae",
        "mape",
        "perplexity",
        "bits_per_byte",
    }


def test_metrics_for_a_problem() -> None:
    assert metrics_for("regression") == ["rmse", "mse", "mae", "mape", "r2"]
    assert {*metrics_for("binary_classification")} - {*metrics_for("multiclass_classification")} == {
        "positive_precision", "positive_recall", "positive_f1_score",
    }  # fmt: skip


def test_the_comparison_with_production_cannot_be_left_out() -> None:
    with pytest.raises(ValidationError, match="against_production"):
        Gates.model_validate({"auc_roc": 0.8})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"confidence": 0.5}, id="coin"),
        pytest.param({"confidence": 1}, id="certainty"),
        pytest.param({"resamples": 199}, id="resamples"),
        pytest.param({"min_rows": 29}, id="rows"),
        pytest.param({"min_gain": float("nan")}, id="nan"),
    ],
)
def test_bounds_of_the_comparison(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        AgainstProduction.model_validate({**AGAINST, **values})


@pytest.mark.parametrize("name", [name for name in Acceptance.model_fields if name != "batch_rows"])
def test_acceptance_limits_are_above_zero(name: str) -> None:
    assert getattr(Acceptance(), name) is None
    with pytest.raises(ValidationError, match="greater than 0"):
        Acceptance.model_validate({name: 0})


@pytest.mark.parametrize("model", ["", "-churn", "a b", "a/b", "a:b"])
def test_registry_names_that_mlflow_would_not_take(model: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Registry(model=model, experiment="churn")


def test_segments_are_known_by_their_texts_and_each_but_once() -> None:
    gate = SliceGate.model_validate({"column": "plan", "segments": ["a", 0, "0", True, "true", "b"]})
    assert gate.labels == ["a", "0", "true", "b"]


@pytest.mark.parametrize("values", [{"min_rows": 0}, {"max_loss": -0.1}, {"segments": [0.5]}], ids=str)
def test_bounds_of_a_slice(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        SliceGate.model_validate({"column": "plan", **values})


@pytest.mark.parametrize("values", [{"name": ""}, {"set": {}}, {"expect": "rises"}, {"tolerance": -0.1}], ids=str)
def test_bounds_of_an_expectation(values: dict[str, Any]) -> None:
    defaults = {"name": "tenure", "set": {"tenure": "tenure + 1"}, "expect": "unchanged"}
    with pytest.raises(ValidationError, match=next(iter(values))):
        Behaviour.model_validate({**defaults, **values})
