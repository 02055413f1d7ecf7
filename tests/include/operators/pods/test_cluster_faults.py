"""What a cluster does to pods, and what their tasks then say; waited for by a worker and by the triggerer."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.operators.base import StepFailedError
from tests.conftest import changed
from tests.include.operators.pods.conftest import (
    SLEEPS,
    Describe,
    Operator,
    Says,
    carried_out,
    context,
    pods,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault, PodFaultKind
from trainer.pipeline import Pipeline
from trainer.run import RunFolder

pytestmark = pytest.mark.usefixtures("mode")

SOON = 0.5
"""Seconds after its start in which a pod is hit."""
A_SECOND = 1 / 60

FAILURES: dict[PodFaultKind, tuple[bool, str]] = {
    "webhook": (True, "PodForbidden: the cluster does not admit the pod: 403 admission webhook"),
    "quota": (False, "QuotaExceeded: 403 pods"),
    "image_not_found": (True, "ImagePullError: the image cannot be pulled ("),
    "image_unauthorized": (True, "ImagePullError: the image cannot be pulled ("),
    "oom": (False, "OutOfMemory: memory ran out at 2Gi; the next try gets 4096Mi"),
    "killed": (False, "OutOfMemory: memory ran out at 2Gi"),
    "evicted": (False, "PodEvicted: the node evicted the pod: The node was low on resource: memory."),
    "preempted": (False, "PodPreempted: a pod of higher priority took the place (PreemptionByScheduler"),
    "node_lost": (False, "NodeLost: the node was lost or tainted (DeletionByTaintManager"),
    "gone": (False, "PodLost: the pod is gone: its node was lost, or somebody deleted it"),
    "node_shutdown": (False, "NodeLost: the node went away (Terminated): Pod was terminated"),
}


def failed(operator: Operator, step: str = "ingest", **kwargs: Any) -> AirflowException:
    with pytest.raises(AirflowException) as error:
        carried_out(lambda: operator(step, **kwargs), context(step))
    return error.value


@pytest.mark.parametrize(("kind", "final", "message"), [(kind, *told) for kind, told in FAILURES.items()], ids=FAILURES)
def test_each_fault_is_told_by_its_name_and_tried_again_where_that_can_help(
    kind: PodFaultKind, final: bool, message: str, kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says(SLEEPS)
    kubernetes.faults.add(Fault(kind=kind, after=SOON, until_read=True))
    error = failed(operator)
    assert type(error) is (AirflowFailException if final else StepFailedError), error
    assert f"ingest: {message}" in str(error)
    assert kubernetes.faults.pending == []
    failure = run.at("ingest").failure()
    assert failure is not None
    assert f"{failure.error}: {failure.message}" in str(error)
    wait_until(lambda: all(pod["status"]["phase"] == "Failed" for pod in pods(kubernetes)))


@pytest.mark.parametrize("kind", ["unschedulable", "slow_pull", "image_timeout"])
def test_what_passes_is_waited_for(
    kind: PodFaultKind, kubernetes: Cluster, evaluated: RunFolder, operator: Operator
) -> None:
    kubernetes.faults.add(Fault(kind=kind, seconds=1))
    assert carried_out(lambda: operator("decide"), context("decide"))["outcome"] == "promote"
    assert kubernetes.faults.pending == []
    wait_until(lambda: not pods(kubernetes))


WAITS = {
    "unschedulable": "no node has taken the pod yet: Unschedulable: 0/1 nodes are available",
    "slow_pull": "",
    "image_timeout": "container 'base' waits: ErrImagePull: ",
}
"""What the log says while the pod waits."""


@pytest.mark.parametrize(
    ("kind", "patience", "message"),
    [
        ("unschedulable", "schedule_timeout_minutes", "Unschedulable: no node took the pod: 0/1 nodes are available: "),
        ("slow_pull", "startup_timeout_minutes", "StartupTimeout: the pod did not start in time (ContainerCreating"),
        ("image_timeout", "startup_timeout_minutes", "ImagePullError: the pod did not start in time ("),
    ],
)
def test_but_not_for_longer_than_the_step_says(
    kind: PodFaultKind, patience: str, message: str, kubernetes: Cluster, run: RunFolder, operator: Operator,
    small_churn: Pipeline, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kubernetes.faults.add(Fault(kind=kind))
    error = failed(operator, of=changed(small_churn, resources={"ingest": {patience: A_SECOND}}))
    assert type(error) is StepFailedError
    assert f"ingest: {message}" in str(error)
    assert WAITS[kind] in capsys.readouterr().out
    wait_until(lambda: not pods(kubernetes))


def test_the_pods_deadline_is_final(
    kubernetes: Cluster, run: RunFolder, operator: Operator, small_churn: Pipeline, says: Says
) -> None:
    says(SLEEPS)
    error = failed(operator, of=changed(small_churn, resources={"ingest": {"deadline_minutes": A_SECOND}}))
    assert type(error) is AirflowFailException
    assert "ingest: DeadlineExceeded: the pod's deadline has passed: " in str(error)


def test_more_memory_for_the_next_try_is_what_its_pod_asks_for(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe, mode: Any
) -> None:
    says(SLEEPS)
    kubernetes.faults.add(Fault(kind="oom", after=0, times=2))
    failed(operator)
    assert "memory ran out at 4096Mi; the next try gets 8192Mi" in str(failed(operator))
