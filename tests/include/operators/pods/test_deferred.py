"""Steps that leave the waiting to the triggerer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from include.operators.base import StepFailedError
from tests.include.operators.pods.conftest import (
    SLEEPS,
    Describe,
    Operator,
    Says,
    context,
    ended_trigger,
    is_running,
    pods,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from trainer.run import RunFolder


def test_a_deferred_step_leaves_the_worker_and_comes_back(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator("decide").execute(context("decide"))
    event = ended_trigger(deferred.value.trigger)
    assert event["status"] == "success"
    assert operator("decide").trigger_reentry(context("decide"), event)["outcome"] == "promote"
    wait_until(lambda: not pods(kubernetes))


@pytest.mark.parametrize(("line", "kind", "message"), [
    ("exit 3", AirflowFailException, "data refused"),
    ("exit 137", StepFailedError, "memory ran out at 2Gi; the next try gets 4096Mi"),
])  # fmt: skip
def test_a_deferred_step_fails_as_any_other(
    line: str, kind: type[Exception], message: str, kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says,
    cluster_environment: Describe, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cluster_environment(deferrable=True)
    says(f"echo INFO said by the step; {line}")
    with pytest.raises(TaskDeferred) as deferred:
        operator("ingest").execute(context("ingest"))
    event = ended_trigger(deferred.value.trigger)
    with pytest.raises(kind, match=message):
        operator("ingest").trigger_reentry(context("ingest"), event)
    assert "said by the step" in capfd.readouterr().out


def test_a_deferred_step_that_can_never_start_is_told_at_once(
    kubernetes: Cluster, run: RunFolder, operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(deferrable=True, secrets={"AWS_SESSION_TOKEN": {"name": "nothing", "key": "password"}})
    with pytest.raises(TaskDeferred) as deferred:
        operator("ingest").execute(context("ingest"))
    event = ended_trigger(deferred.value.trigger)
    with pytest.raises(AirflowFailException, match='secret "nothing" not found'):
        operator("ingest").trigger_reentry(context("ingest"), event)
    wait_until(lambda: not pods(kubernetes))


def test_a_deferred_task_that_a_person_ends_takes_its_pod_along_and_a_triggerers_restart_does_not(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe
) -> None:
    cluster_environment(deferrable=True)
    says(SLEEPS)
    with pytest.raises(TaskDeferred) as deferred:
        operator("ingest").execute(context("ingest"))
    wait_until(lambda: is_running(kubernetes))
    trigger: Any = deferred.value.trigger
    asyncio.run(trigger.cleanup())  # what the triggerer asks for when it is shut down
    time.sleep(0.5)
    assert is_running(kubernetes)
    asyncio.run(trigger.on_kill())
    wait_until(lambda: not pods(kubernetes))
