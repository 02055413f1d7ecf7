"""The step `watch`: what is seen of a version that has a part of the traffic."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.steps.deployments import KEY, Deployments
from trainer.errors import PromotionConflictError
from trainer.run.records import WatchResult
from trainer.serving.traffic import Share


@pytest.fixture(params=[0.01])
def canary(deployment: Any, request: pytest.FixtureRequest) -> Deployments:
    """Version 2 has half of the traffic, for so many minutes."""
    deployment.begin(canary_minutes=request.param)
    deployment.stage()
    deployment.step("canary", key=KEY)
    found: Deployments = deployment
    return found


def watched(canary: Deployments) -> WatchResult:
    canary.step("watch", key=KEY)
    return canary.run.at("watch").result(WatchResult)


def test_a_version_that_keeps_to_the_limits_is_released(canary: Deployments) -> None:
    canary.router.behaves("2", prediction="1")
    canary.ask(60)
    found = watched(canary)
    assert (found.verdict, found.reasons) == ("release", [])
    assert found.requests + found.requests_of_main == 60
    assert [figure.name for figure in found.figures if figure.kept] == ["error_rate", "latency_ratio", "answers"]


@pytest.mark.parametrize("canary", [60], indirect=True)
def test_a_version_that_fails_is_taken_back_long_before_the_end(canary: Deployments) -> None:
    canary.router.behaves("2", status=500)
    canary.ask()
    found = watched(canary)
    assert found.verdict == "take back"
    assert found.reasons[0].startswith(f"it failed to answer {found.requests} of {found.requests} requests")


@pytest.mark.parametrize("canary", [60], indirect=True)
def test_a_version_whose_process_has_ended(canary: Deployments) -> None:
    canary.router.behaves("2", ends=True)
    canary.ask()
    assert "the process of version 2 has ended" in watched(canary).reasons


def test_too_few_requests(canary: Deployments) -> None:
    (reason,) = watched(canary).reasons
    assert reason.startswith("it was asked 0 times in 0.01")
    assert reason.endswith("`deployment.min_requests` is 5: too few to know anything")


def test_somebody_divides_the_traffic_otherwise(canary: Deployments) -> None:
    canary.router.target.divide([Share(version="1", percent=100)], canary.served.revision)
    with pytest.raises(PromotionConflictError, match="somebody has divided the traffic otherwise .version 1: 100 %"):
        watched(canary)


def test_an_alias_that_moves_meanwhile(canary: Deployments) -> None:
    canary.client.delete_registered_model_alias(canary.model, "production")
    with pytest.raises(PromotionConflictError, match="names no version now; version 2 gets no more traffic"):
        watched(canary)
