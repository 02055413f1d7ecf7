"""An experiment from its start to a person's approval, with a real model behind the router; and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.steps.conftest import accepted_home, deployment, scoring_home, session_churn, trained_home  # noqa: F401
from trainer.__main__ import main
from trainer.deployment.request_rows import as_text
from trainer.deployment.versions import smoke_rows
from trainer.errors import ConfigurationError, ModelRefusedError, OutageError
from trainer.experiments import create_experiment, creation, ending, record_outcome
from trainer.experiments.outcomes import open_store
from trainer.experiments.store import ExperimentStore
from trainer.pipeline import Pipeline
from trainer.scoring.versions import version_in_use
from trainer.serving import exposures
from trainer.serving.version_server import start_server

A, B = "models:/churn-predictor-sample/1", "models:/churn-predictor-sample@production"


@pytest.fixture
def world(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """A router with version 1 in service, before stand-ins, whose answers are not compared with those of the model.

    The comparison is that of the step `stage`.
    """
    monkeypatch.setattr(exposures, "BETWEEN_BATCHES", 0.05)
    monkeypatch.setattr(creation, "_try", lambda _client, target, _model, arm: target.start(*arm))
    return deployment


def answered(world: Any, units: int, body: str = '{"rows": 1}') -> dict[str, str]:
    """The version of each unit, once all are in the database."""
    versions = {}
    for number in range(units):
        answer = world.router.ask(f"unit {number}", body)
        assert answer.status_code == 200, answer.text
        versions[f"unit {number}"] = answer.headers["x-model-version"]
    ends = time.monotonic() + 30
    while len(open_store().units("plans").in_b) < units:
        assert time.monotonic() < ends
        time.sleep(0.02)
    return versions


def test_from_the_start_to_the_approval(world: Any, capsys: Any, tmp_path: Path) -> None:
    options = ["--model-a", A, "--model-b", B, "--traffic-split", "0.5", "--duration-days", "7"]
    assert main(["experiment", "create", "plans", *options]) == 0
    assert "Experiment plans runs." in capsys.readouterr().out
    assert world.shares == [("1", 50), ("2", 50)]
    with pytest.raises(ConfigurationError, match="the name plans is in use"):
        create_experiment("plans", A, B, 0.5, 7)
    with pytest.raises(ConfigurationError, match="the experiment plans divides the traffic already; end it first"):
        create_experiment("other", A, B, 0.5, 7)
    with pytest.raises(ConfigurationError, match="plans divides the traffic, so nothing is deployed; end it first"):
        world.begin()

    for unit, version in answered(world, 300).items():
        record_outcome("plans", unit, float(int(unit[5:]) % 10 < (9 if version == "2" else 1)))
    page = tmp_path / "page.html"
    assert main(["experiment", "status", "plans", "--page", str(page)]) == 0
    assert capsys.readouterr().out.startswith("plans: winner: B, version 2; B - A is between 0.")
    assert "<strong>Winner: B</strong>" in page.read_text()
    assert main(["experiment", "status", "plans", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["result"]["winner"], sum(record["looks"][-1]["units"])) == ("b", 300)

    assert main(["experiment", "end", "plans"]) == 0
    assert "Version 1 has all traffic. Version 2 is production already" in capsys.readouterr().out
    assert world.shares == [("1", 100)]
    with pytest.raises(ConfigurationError, match="experiment plans has ended"):
        record_outcome("plans", "unit 1", 1)
    world.client.set_registered_model_alias(world.model, "production", "1")
    assert main(["experiment", "end", "plans"]) == 0  # done again, nothing changes
    said = capsys.readouterr().out
    form = json.loads(said.split("airflow dags trigger churn_requests --conf '")[1].split("'\n")[0])
    assert (form["move"], form["model"], form["version"]) == ("promotion", world.model, "2")
    assert form["reason"].startswith("experiment plans: winner: B, version 2")
    assert main(["history", world.model]) == 0
    history = capsys.readouterr().out
    assert "experiment plans: version 1 (A) and version 2 (B, 0.5 of the units)  (until 20" in history
    assert "    result: winner: B, version 2; B - A is between" in history


def test_what_was_cut_off_goes_on(world: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def away(*_: Any) -> None:
        raise OutageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(creation, "_divide", away)
        with pytest.raises(OutageError):
            create_experiment("plans", A, B, 0.5, 7)
    assert main(["experiment", "status", "plans"]) == 2
    salt = open_store().get("plans").salt
    with monkeypatch.context() as patch:
        patch.setattr(ExperimentStore, "update", away)  # the traffic is divided, and its start is not recorded
        with pytest.raises(OutageError):
            create_experiment("plans", A, B, 0.5, 7)
    assert world.served.experiment == "plans"
    with pytest.raises(ConfigurationError, match="the name plans is in use"):
        create_experiment("plans", A, B, 0.4, 7)
    create_experiment("plans", A, B, 0.5, 7)
    found = open_store().get("plans")
    assert (found.is_running, found.salt) == (True, salt)
    with monkeypatch.context() as patch:
        patch.setattr(ending, "verdict", away)
        assert main(["experiment", "end", "plans"]) == 1
    assert world.shares == [("1", 100)]
    capsys.readouterr()
    assert main(["experiment", "end", "plans"]) == 0
    assert "not enough yet: an arm has 0 outcomes" in (said := capsys.readouterr().out)
    assert "There is nothing to approve: production stays as it is." in said
    assert world.served.running == {"1": True}


@pytest.mark.slow
def test_with_the_model_itself_a_request_that_lacks_a_column_is_refused_and_no_unit(
    deployment: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exposures, "BETWEEN_BATCHES", 0.05)
    deployment.router.target.divide((), deployment.served.revision)
    deployment.router.target.remove("1")  # the stand-in; the model itself takes its place
    deployment.router.service.start = start_server
    create_experiment("plans", A, B, 0.5, 7)
    rows = smoke_rows(version_in_use(deployment.pipeline, "1", "deployment"), 1)
    answer = deployment.router.ask("unit", as_text(rows.drop("tenure")))
    assert (answer.status_code, "tenure" in answer.text) == (400, True)
    assert {*answered(deployment, 20, as_text(rows)).values()} == {"1", "2"}
    assert len(open_store().units("plans").in_b) == 20


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "Plans!"}, "name: 'Plans!' is not a name"),
    ({"model_a": "churn/1"}, "model_a: 'churn/1' is not the address of a version"),
    ({"model_b": "models:/other/1"}, "two versions of one registered model"),
    ({"model_b": "models:/churn-predictor-sample/7"}, "has no version '7'; there are the versions 1, 2"),
    ({"model_b": "models:/churn-predictor-sample@new"}, "has no alias 'new'"),
    ({"model_b": A}, "model_a and model_b are both version 1"),
    ({"model_a": B, "model_b": A}, "version 1 is in service, not version 2"),
    ({"traffic_split": 0}, "traffic_split: Input should be greater than 0, found 0"),
    ({"traffic_split": 1}, "traffic_split: Input should be less than 1, found 1"),
    ({"traffic_split": float("nan")}, "traffic_split: .*finite"),
    ({"duration_days": 0}, "duration_days: Input should be greater than 0"),
]


def test_what_is_refused_changes_nothing(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    asked: dict[str, Any] = {"name": "plans", "model_a": A, "model_b": B, "traffic_split": 0.5, "duration_days": 7}
    for changes, message in REFUSED:
        with pytest.raises(ConfigurationError, match=message):
            create_experiment(**(asked | changes))
    with pytest.raises(ModelRefusedError, match="answers otherwise|answers differ"):  # the stand-in is another model
        create_experiment(**asked)
    assert deployment.shares == [("1", 100)]
    deployment.router.serves(("1", 90), ("2", 10))
    with pytest.raises(ConfigurationError, match="version 2 is on trial as a canary"):
        create_experiment(**asked)
    monkeypatch.setenv("TRAINER_SERVING", "")
    with pytest.raises(ConfigurationError, match="serving: '' is not a target to deploy to"):
        create_experiment(**asked)


def test_the_yaml_describes_an_experiment(session_churn: Pipeline) -> None:  # noqa: F811
    from tests.conftest import changed

    plan = {"name": "plans", "model_a": A, "model_b": B, "duration_days": 7}
    found = changed(session_churn, deployment={"experiment": plan}).deployment
    assert found is not None
    assert found.experiment is not None
    assert found.experiment.model_dump() == plan | {"traffic_split": 0.5}
    with pytest.raises(ConfigurationError, match="traffic_split"):
        changed(session_churn, deployment={"experiment": plan | {"traffic_split": 1.5}})
