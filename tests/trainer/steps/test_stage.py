"""The step `stage`: the version runs without traffic, and answers real rows like the registered model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.steps.deployments import KEY
from trainer.errors import DataValidationError, ModelRefusedError
from trainer.registry.versions import RUN_FOLDER_TAG
from trainer.run.records import StageResult
from trainer.serving.version_server import start_server


def test_the_model_itself_answers_as_when_it_is_scored_apart(deployment: Any) -> None:
    deployment.router.service.start = start_server
    deployment.begin(smoke_rows=20)
    deployment.step("stage", key=KEY)
    found = deployment.run.at("stage").result(StageResult)
    assert (found.rows, found.largest_difference < 1e-9, found.median_ms > 0) == (20, True, True)
    assert deployment.served.running == {"1": True, "2": True}
    assert deployment.shares == [("1", 100)]
    deployment.begin(smoke_rows=20, limits={"latency_ms": 0.001})
    with pytest.raises(
        ModelRefusedError, match=r"to answer a request with one row; `deployment\.limits\.latency_ms` is"
    ):
        deployment.step("stage", key=KEY)


def test_other_answers_than_those_of_the_registered_model(deployment: Any) -> None:
    with pytest.raises(ModelRefusedError, match="was asked for .* rows and answers otherwise|answers differ"):
        deployment.step("stage", key=KEY)
    assert deployment.shares == [("1", 100)]


def test_rows_that_were_pruned(deployment: Any) -> None:
    deployment.client.set_model_version_tag(deployment.model, "2", RUN_FOLDER_TAG, f"{deployment.home}/gone")
    with pytest.raises(DataValidationError, match="is gone"):
        deployment.step("stage", key=KEY)
