"""The section `retrain` of a pipeline's YAML."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import churn_document
from trainer.errors import ConfigurationError
from trainer.pipeline import pipeline_of

LABELS = {"KIND": "csv", "uri": "labels.csv"}
SCORING = {"source": {"KIND": "csv", "uri": "new.csv"}, "output": {"KIND": "parquet", "uri": "scores"}}
DROP = {"performance_drop": 0.02}


def retrain(section: dict[str, Any], **sections: Any) -> Any:
    whole = churn_document(**{"scoring": SCORING, "monitoring": {"labels": LABELS}, **sections}, retrain=section)
    return pipeline_of(whole, "churn.yaml").retrain


def test_one_condition_is_enough() -> None:
    found = retrain({"when": DROP})
    assert (found.looks, found.at_least, found.cooldown_days) == (3, 2, 7)
    assert found.when.limits == DROP
    assert retrain({"when": {"drift_share": 0.3}}, monitoring={}).when.limits == {"drift_share": 0.3}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"when": {}}, "give `performance_drop`, `drift_share` or both, or remove `retrain`"),
        ({"when": {"drift_share": None}}, "give `performance_drop`"),
        ({}, "retrain.when: is required"),
        ({"when": {"performance_drop": 0}}, "retrain.when.performance_drop: input should be greater than 0"),
        ({"when": {"drift_share": 1.1}}, "retrain.when.drift_share: input should be less than or equal to 1"),
        ({"when": {"estimate_drop": 0.1}}, "retrain.when.estimate_drop: unknown key"),
        ({"when": DROP, "looks": 2, "at_least": 3}, "at_least: 3 of the last 2 looks can never count; raise `looks`"),
        ({"when": DROP, "looks": 53}, "retrain.looks: input should be less than or equal to 52"),
        ({"when": DROP, "at_least": 0}, "retrain.at_least: input should be greater than or equal to 1"),
        ({"when": DROP, "cooldown_days": -1}, "retrain.cooldown_days: input should be greater than or equal to 0"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="churn.yaml") as error:
        retrain(section)
    assert message in str(error.value)


def test_a_retraining_needs_looks_and_a_drop_needs_labels() -> None:
    with pytest.raises(ConfigurationError, match="retrain: needs `monitoring`, whose looks decide; add that section"):
        retrain({"when": DROP}, monitoring=None)
    with pytest.raises(
        ConfigurationError, match=r"performance_drop: needs `monitoring.labels`: without labels no perf"
    ):
        retrain({"when": DROP}, monitoring={})
