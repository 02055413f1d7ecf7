"""Steps whose time is over, and pods that nobody will tell the end of."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferred
from airflow.sdk.execution_time.timeout import timeout

from include.operators.base import OUT_OF_TIME, StepFailedError
from include.operators.pods import endings
from include.operators.pods.manifest import SECONDS_TO_END
from include.operators.pods.operator import PodStepOperator
from tests.include.operators.pods.conftest import (
    SLEEPS,
    Describe,
    Operator,
    cluster_for,
    context,
    ended_trigger,
    pods,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault
from trainer.run import RunFolder

QUICK_LOSS = 2.0
LONGEST_SECONDS = 60
"""The provider tries for a quarter of it to read the log of a node that is not there."""


@pytest.fixture
def sleeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PodStepOperator, "command", ["sh", "-c", SLEEPS])


def deferred(operator: PodStepOperator, made: Any) -> dict[str, Any]:
    """What the triggerer tells of a deferred step in the end."""
    with pytest.raises(TaskDeferred) as left:
        operator.execute(made)
    return ended_trigger(left.value.trigger)


def test_a_step_whose_time_is_over_says_so_and_its_pod_goes(
    kubernetes: Cluster, run: RunFolder, operator: Operator, sleeping: None
) -> None:
    with pytest.raises(AirflowTaskTimeout), timeout(3):  # type: ignore[no-untyped-call]
        operator("ingest").execute(context("ingest"))
    wait_until(lambda: not pods(kubernetes))
    failure = run.at("ingest").failure()
    assert failure is not None
    assert (failure.error, failure.message, failure.exit_code) == ("StepTimeout", OUT_OF_TIME, 1)


def test_so_does_a_deferred_one_by_the_clock_of_its_task(
    kubernetes: Cluster, run: RunFolder, operator: Operator, sleeping: None, cluster_environment: Describe
) -> None:
    cluster_environment(deferrable=True)
    made = context("ingest")
    late = operator("ingest", execution_timeout=timedelta(seconds=3))
    event = deferred(late, made)
    assert event["status"] == "timeout"
    with pytest.raises(StepFailedError, match="StepTimeout: the step had not ended when its time was over"):
        operator("ingest").trigger_reentry(made, event)
    wait_until(lambda: not pods(kubernetes))
    failure = run.at("ingest").failure()
    assert failure is not None
    assert failure.error == "StepTimeout"


@pytest.fixture
def losing(
    s3_endpoint: str, run: RunFolder, sleeping: None, quick_retries: None, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A cluster that loses the node of the first pod, whose object nobody takes away."""
    monkeypatch.setattr(endings, "TIME_TO_BE_GONE", timedelta(seconds=1 - SECONDS_TO_END))
    with cluster_for(s3_endpoint, unreachable_seconds=QUICK_LOSS) as cluster:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection_json())
        monkeypatch.setattr(cluster, "remove", lambda _: None)
        cluster.faults.add(Fault(kind="node_lost"))
        yield cluster


def ended_in_time(cluster: Cluster, end: Callable[[], Any]) -> None:
    began = time.monotonic()
    with pytest.raises(StepFailedError, match=r"ingest: NodeLost: the node was lost or tainted"):
        end()
    assert time.monotonic() - began < LONGEST_SECONDS
    assert cluster.faults.pending == []


def test_a_pod_on_a_node_that_is_lost_is_not_waited_for(losing: Cluster, operator: Operator) -> None:
    ended_in_time(losing, lambda: operator("ingest").execute(context("ingest")))


def test_nor_does_the_triggerer_wait_for_it(losing: Cluster, operator: Operator, cluster_environment: Describe) -> None:
    cluster_environment(deferrable=True)
    made = context("ingest")
    event = deferred(operator("ingest"), made)
    ended_in_time(losing, lambda: operator("ingest").trigger_reentry(made, event))
