"""Registering: once per key, confirmed by MLflow, and no alias moves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException

from trainer.registry.registers import MlflowRegister
from trainer.registry.tracking import connect, ensure_experiment

REGISTER = MlflowRegister(model="churn-predictor", description="who leaves")


@dataclass(frozen=True)
class Logged:
    model_uri: str
    run_id: str


@pytest.fixture
def logged(surroundings: object) -> Logged:
    """A model that is logged to the test's store."""
    client = connect()
    experiment = ensure_experiment(client, "churn")
    run = client.create_run(experiment)
    model = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return Logged(model.model_uri, run.info.run_id)


def test_a_version_has_its_description_tags_and_model(logged: Logged) -> None:
    registered = REGISTER.register(logged.model_uri, logged.run_id, "run1/m1", {"trainer.pipeline": "churn"})
    assert (registered.model, registered.version, registered.created) == ("churn-predictor", "1", True)
    version = connect().get_model_version("churn-predictor", "1")
    assert version.description == "who leaves"
    assert version.tags == {"trainer.pipeline": "churn", "trainer.registration": "run1/m1"}
    assert (version.source, version.run_id) == (logged.model_uri, logged.run_id)
    assert version.aliases == []


def test_the_same_key_gives_the_same_version(logged: Logged) -> None:
    first, again = (REGISTER.register(logged.model_uri, logged.run_id, "run1/m1", {}) for _ in range(2))
    assert (first.version, first.created, again.version, again.created) == ("1", True, "1", False)
    assert len(connect().search_model_versions("name = 'churn-predictor'")) == 1


def test_a_new_key_gives_a_new_version(logged: Logged) -> None:
    versions = [REGISTER.register(logged.model_uri, logged.run_id, key, {}).version for key in ("run1/m1", "run1/m2")]
    assert versions == ["1", "2"]


def test_the_same_key_under_another_model_is_another_version(logged: Logged) -> None:
    REGISTER.register(logged.model_uri, logged.run_id, "run1/m1", {})
    other = MlflowRegister(model="churn-predictor-sample").register(logged.model_uri, logged.run_id, "run1/m1", {})
    assert (other.model, other.version, other.created) == ("churn-predictor-sample", "1", True)


def test_what_mlflow_refuses_is_raised(logged: Logged) -> None:
    with pytest.raises(MlflowException, match="model name"):
        MlflowRegister(model="a/b").register(logged.model_uri, logged.run_id, "run1/m1", {})
