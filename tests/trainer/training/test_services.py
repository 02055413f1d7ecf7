"""Services: started before the work, stopped after it, and what went wrong is told before anything stops."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import mlflow
import pytest

from trainer.errors import DataValidationError
from trainer.registry.tracking import connect
from trainer.training.services import AlertsService, LoggerService, MlflowService, RunConfig, Services


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The package's logger says nothing below WARNING unless a job asks for it."""
    ours = logging.getLogger("trainer")
    before = ours.level
    ours.setLevel(logging.WARNING)
    yield
    ours.setLevel(before)


def test_the_level_is_the_jobs_while_it_runs() -> None:
    ours = logging.getLogger("trainer")
    with Services(LoggerService(level="DEBUG"), AlertsService(), "nightly"):
        assert ours.level == logging.DEBUG
    assert ours.level == logging.WARNING


def test_a_failure_is_reported_while_the_services_run_and_raised_again(caplog: pytest.LogCaptureFixture) -> None:
    with (
        pytest.raises(DataValidationError, match="no rows"),
        Services(LoggerService(level="INFO"), AlertsService(), "nightly"),
    ):
        raise DataValidationError("no rows")
    assert caplog.messages == ["nightly failed: Data quality issue detected: DataValidationError: no rows"]
    assert logging.getLogger("trainer").level == logging.WARNING


def test_alerts_can_be_turned_off(caplog: pytest.LogCaptureFixture) -> None:
    with (
        pytest.raises(DataValidationError),
        Services(LoggerService(level="INFO"), AlertsService(enabled=False), "nightly"),
    ):
        raise DataValidationError("no rows")
    assert caplog.messages == []


def test_services_stop_even_if_the_alert_fails() -> None:
    class Broken(AlertsService):
        def notify(self, title: str, message: str) -> None:
            raise ConnectionError("no mail server")

    with pytest.raises(ConnectionError), Services(LoggerService(level="ERROR"), Broken(), "nightly"):
        raise DataValidationError("no rows")
    assert logging.getLogger("trainer").level == logging.WARNING


def test_a_run_is_created_in_its_experiment(surroundings: object) -> None:
    config = RunConfig(experiment="leavers", name="nightly", description="by hand", tags={"team": "mlops"})
    with MlflowService().run_context(config) as run:
        mlflow.log_param("x", 1)
    found = connect().get_run(run.info.run_id)
    assert (found.info.run_name, found.info.status) == ("nightly", "FINISHED")
    assert found.data.params == {"x": "1"}
    assert found.data.tags["team"] == "mlops"
    assert found.data.tags["mlflow.note.content"] == "by hand"
    experiment = connect().get_experiment(found.info.experiment_id)
    assert experiment.name == "leavers"
    assert experiment.artifact_location.endswith("/artifacts/leavers")


def test_a_failed_run_is_closed_as_failed(surroundings: object) -> None:
    config = RunConfig(experiment="leavers", name="nightly")
    with pytest.raises(DataValidationError), MlflowService().run_context(config) as run:
        raise DataValidationError("no rows")
    assert connect().get_run(run.info.run_id).info.status == "FAILED"
    assert mlflow.active_run() is None


def test_a_run_that_is_active_is_used_and_left_open(surroundings: object) -> None:
    service, config = MlflowService(), RunConfig(experiment="leavers", name="outer")
    with service.run_context(config) as outer:
        with service.run_context(RunConfig(experiment="other", name="inner")) as inner:
            assert inner.info.run_id == outer.info.run_id
        assert connect().get_run(outer.info.run_id).info.status == "RUNNING"
    assert connect().get_experiment_by_name("other") is None
