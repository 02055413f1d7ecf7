"""The step `start_deployment`: the version is looked up once, and the target is asked before anything begins."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.errors import ConfigurationError
from trainer.run.records import StartDeploymentResult


def test_the_version_and_what_is_in_service_are_on_record(deployment: Any) -> None:
    start = deployment.run.at("start_deployment").result(StartDeploymentResult)
    assert (start.model, start.version, start.alias, start.before) == (deployment.model, "2", "production", "1")
    assert start.model_digest == deployment.digest
    assert start.training_run.endswith(f"/{deployment.folder.key}")


def test_a_numbered_version_is_taken_whatever_the_alias_names(deployment: Any) -> None:
    deployment.begin(version=1)
    start = deployment.run.at("start_deployment").result(StartDeploymentResult)
    assert (start.version, start.alias) == ("1", "")


def test_a_version_that_does_not_exist(deployment: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no version '7'; there are the versions 1, 2"):
        deployment.begin(version=7)


def test_a_model_without_production(deployment: Any) -> None:
    deployment.client.delete_registered_model_alias(deployment.model, "production")
    with pytest.raises(ConfigurationError, match="has no production version yet, so there is nothing to deploy"):
        deployment.begin()


def test_no_router_runs(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_SERVING", "local:///nowhere")
    with pytest.raises(ConfigurationError, match="start it with `make serve PIPELINE=…`"):
        deployment.begin()
    monkeypatch.setenv("TRAINER_SERVING", "")
    with pytest.raises(ConfigurationError, match="serving: '' is not a target to deploy to"):
        deployment.begin()
