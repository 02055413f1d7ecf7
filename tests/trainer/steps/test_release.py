"""The step `release`: all traffic, or back to the version before; also after a kill in the middle of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.trainer.steps.deployments import KEY, Deployments
from trainer.__main__ import main
from trainer.errors import ModelRefusedError, PromotionConflictError
from trainer.registry.deployment_history import recorded_deployments
from trainer.run.records import Failure, ReleaseResult, WatchResult
from trainer.serving.traffic import Share

SEEN: dict[str, Any] = {"minutes": 1, "requests": 9, "requests_of_main": 9, "figures": []}


@pytest.fixture
def watched(deployment: Any) -> Deployments:
    """Version 2 has half of the traffic, and is to be released."""
    deployment.stage()
    deployment.step("canary", key=KEY)
    deployment.run.at("watch").finish(WatchResult(verdict="release", reasons=[], **SEEN))
    found: Deployments = deployment
    return found


def test_the_version_gets_all_traffic_and_the_one_before_stays_for_a_way_back(watched: Deployments) -> None:
    watched.router.behaves("9")
    watched.router.target.start("9", watched.digest)  # of an earlier deployment
    watched.step("release", key=KEY)
    watched.step("release", key=KEY)
    assert (watched.shares, watched.served.running) == ([("2", 100)], {"1": True, "2": True})
    assert watched.run.at("release").result(ReleaseResult).before == "1"
    watched.ask(3)
    [deployed] = recorded_deployments(watched.client, watched.model)
    assert (deployed.outcome, deployed.version, deployed.before) == ("released", "2", "1")
    assert deployed.by == watched.run.uri


def test_a_version_that_is_taken_back(watched: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    watched.run.at("watch").finish(WatchResult(verdict="take back", reasons=["it failed"], **SEEN))
    says = r"version 2 was taken back: it failed\. Version 1 has all traffic\. .*trainer rollback .* --from 2"
    for _ in range(2):  # again, as after a kill
        with pytest.raises(ModelRefusedError, match=says):
            watched.step("release", key=KEY)
    assert (watched.shares, watched.served.running) == ([("1", 100)], {"1": True})
    watched.ask(3)
    [deployed] = recorded_deployments(watched.client, watched.model)
    assert (deployed.outcome, deployed.why) == ("taken back", "it failed")
    assert main(["history", watched.model]) == 0
    said = capsys.readouterr().out
    assert (
        f"{deployed.at}  deployment version 2 taken back; version 1 was in service\n    by: {watched.run.uri}\n" in said
    )
    assert main(["history", watched.model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["outcome"] == "taken back"


def test_after_a_step_that_failed(watched: Deployments) -> None:
    failure = Failure(step="watch", algorithm="", error="StepKilled", message="it was killed", exit_code=137)
    watched.run.at("watch").fail(failure)
    with pytest.raises(ModelRefusedError, match="was taken back: the step watch failed: it was killed"):
        watched.step("release", key=KEY)
    assert watched.shares == [("1", 100)]


def test_a_deployment_that_did_not_begin(deployment: Any) -> None:
    failure = Failure(step="start_deployment", algorithm="", error="E", message="no router", exit_code=2)
    deployment.run.at("start_deployment").fail(failure)
    with pytest.raises(ModelRefusedError, match="nothing was deployed: no router"):
        deployment.step("release", key=KEY)


def test_an_alias_that_moves_at_the_last_moment(watched: Deployments) -> None:
    watched.client.set_registered_model_alias(watched.model, "production", "1")
    with pytest.raises(PromotionConflictError, match="names version 1 now"):
        watched.step("release", key=KEY)
    assert watched.shares == [("1", 50), ("2", 50)]


def test_without_another_version_there_is_no_way_back(deployment: Any) -> None:
    deployment.router.target.divide((), deployment.served.revision)
    deployment.begin()
    deployment.stage()
    deployment.router.target.divide([Share(version="2", percent=100)], deployment.served.revision)
    with pytest.raises(ModelRefusedError, match="No other version was in service, so version 2 keeps the traffic"):
        deployment.step("release", key=KEY)
