"""The regression on California's houses: offline on the built-in sample, and on the published file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainer.registry.tracking import TASK_TAG

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

FILE = Path("california_housing") / "housing.csv"
AS_GIVEN = {"trials": 1}
"""The first trial has the parameters that stand in the file."""
MOST_DOLLARS, LEAST_R2 = 41_000, 0.872


def test_a_run_needs_no_network_and_no_file(checkout: Checkout) -> None:
    parameters = {**AS_GIVEN, "algorithms": ["hist_gradient_boosting"]}
    run = checkout.train("california_housing", parameters, "--promote-to-production")
    summary = checkout.summary(run)
    assert summary["outcome"] == "promoted"
    assert summary["model"]["aliases"] == {"production": "1", "staging": "1"}
    assert (summary["data"]["sample"], summary["data"]["rows"]) == (True, 20640)
    assert summary["model"]["name"] == "CaliforniaHousingRegressor-sample"
    report = (run / "report.html").read_text()
    assert "residual" in report.lower()


@pytest.mark.slow
@pytest.mark.telco
def test_the_published_file_is_learned_as_well_as_it_is_known_to_be(checkout: Checkout) -> None:
    checkout.take_published(FILE)
    assert checkout.run("california_housing", {**AS_GIVEN, "algorithms": ["xgboost"]}) == 0, checkout.log.read_text()[
        -3000:
    ]
    summary = checkout.summary()
    assert summary["outcome"] == "promoted"
    assert summary["model"]["aliases"] == {"production": "1", "staging": "1"}
    assert summary["data"]["sample"] is False
    assert summary["model"]["name"] == "CaliforniaHousingRegressor"
    assert summary["metrics"]["rmse"] <= MOST_DOLLARS
    assert summary["metrics"]["r2"] >= LEAST_R2
    found = runs(checkout)
    candidate, challenger, whole = found.pop("train xgboost"), found.pop("refit"), found.pop("parent")
    assert found == {}
    wanted = {"max_depth": "8", "learning_rate": "0.03", "n_estimators": "1000", "seed": "42"}
    assert wanted.items() <= candidate.data.params.items()
    assert wanted.items() <= challenger.data.params.items()
    assert {"train_rmse", "train_r2", "validation_rmse", "validation_r2"} <= candidate.data.metrics.keys()
    version = checkout.client.get_model_version("CaliforniaHousingRegressor", "1")
    assert version.run_id == challenger.info.run_id
    assert whole.data.metrics["test_rmse"] == summary["metrics"]["rmse"]
    assert "test_r2" in whole.data.metrics


def runs(checkout: Checkout) -> dict[str, Any]:
    """The MLflow runs of the experiment by their task."""
    client = checkout.client
    experiment = client.get_experiment_by_name("california_housing_price")
    return {run.data.tags[TASK_TAG]: run for run in client.search_runs([experiment.experiment_id])}
