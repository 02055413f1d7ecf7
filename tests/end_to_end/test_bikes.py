"""The regression on hourly demand for bikes, split by time."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

FILE = Path("bikes") / "hour.csv"
AS_GIVEN = {"trials": 1, "algorithms": ["lightgbm"]}
"""The first trial has the parameters that stand in the file."""
LARGEST_MSE = 3_900
TEST_BEGINS, VALIDATION_BEGINS = date(2012, 11, 2), date(2012, 10, 3)


@pytest.mark.slow
@pytest.mark.telco
def test_the_last_sixty_days_are_foretold_from_the_days_before(checkout: Checkout) -> None:
    checkout.take_published(FILE)
    assert checkout.run("bikes", AS_GIVEN) == 0, checkout.log.read_text()[-3000:]
    summary = checkout.summary()
    assert summary["outcome"] == "promoted"
    assert summary["metrics"]["mse"] <= LARGEST_MSE
    features = json.loads((checkout.latest / "engineer_features" / "result.json").read_text())
    assert not {"casual", "registered", "instant", "dteday", "cnt"} & {*features["inputs"], *features["derived"]}
    table = pl.read_parquet(checkout.latest / "engineer_features" / "features.parquet")
    spans: dict[Any, tuple[Any, Any]] = {
        part: (rows["__time__"].min(), rows["__time__"].max()) for (part,), rows in table.group_by("__part__")
    }
    assert spans["test"] == (TEST_BEGINS, date(2012, 12, 31))
    assert spans["validation"][0] == VALIDATION_BEGINS
    assert spans["train"][1] == date(2012, 10, 2)


def test_a_run_needs_no_network_and_no_file(checkout: Checkout) -> None:
    summary = checkout.summary(checkout.train("bikes", AS_GIVEN, "--promote-to-production"))
    assert summary["outcome"] == "promoted"
    assert (summary["data"]["sample"], summary["data"]["rows"]) == (True, 17379)
    assert summary["model"]["name"] == "bike-demand-predictor-sample"
    assert summary["model"]["aliases"] == {"production": "1", "staging": "1"}


@pytest.mark.slow
@pytest.mark.telco
def test_a_job_by_hand_foretells_the_same_days(checkout: Checkout) -> None:
    checkout.take_published(FILE)
    done = checkout.trainer("run", "include/jobs/bikes.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    client = checkout.client
    (experiment,) = client.search_experiments(filter_string="name = 'bike-sharing-demand'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["test_mse"] <= LARGEST_MSE
    assert {"test_rmse", "test_mae", "test_mape", "test_r2"} <= {*run.data.metrics}
    (version,) = client.search_model_versions("name = 'bike-demand-by-hand'")
    assert version.run_id == run.info.run_id
    assert not client.get_registered_model("bike-demand-by-hand").aliases
