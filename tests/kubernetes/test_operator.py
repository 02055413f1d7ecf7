"""The provider's own KubernetesPodOperator against this cluster, waiting itself or in a trigger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, TaskDeferred
from kubernetes.client import models as k8s

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault, RequestFault

SECURITY = k8s.V1SecurityContext(
    allow_privilege_escalation=False, read_only_root_filesystem=True, capabilities=k8s.V1Capabilities(drop=["ALL"])
)


@dataclass
class TaskInstance:
    """What the operator asks of one."""

    dag_id: str = "churn_training"
    task_id: str = "step"
    run_id: str = "manual__1"
    map_index: int = -1
    try_number: int = 1
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.fixture(autouse=True)
def connected(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection_json())


def operator(script: str, **kwargs: Any) -> KubernetesPodOperator:
    return KubernetesPodOperator(
        task_id="step",
        name="step",
        namespace="training",
        image="trainer:test",
        cmds=["sh", "-c"],
        arguments=[script],
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault")
        ),
        container_security_context=SECURITY,
        do_xcom_push=False,
        startup_check_interval_seconds=1,
        log_pod_spec_on_failure=False,
        poll_interval=0.2,
        base_container_status_polling_interval=0.2,
        **kwargs,
    )


def executed(step: KubernetesPodOperator) -> Any:
    """Execute as a worker does, and where it defers, as a triggerer and a worker do."""
    context: Any = {"ti": TaskInstance(), "run_id": "manual__1", "dag": SimpleNamespace(), "task": step}
    try:
        return step.execute(context)
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(deferred.trigger))
        return getattr(step, deferred.method_name)(context, event, **(deferred.kwargs or {}))


async def first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger said nothing")


@pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
def test_success(cluster: Cluster, deferrable: bool) -> None:
    executed(operator("echo hello from the pod; sleep 0.3", deferrable=deferrable))
    [pod] = cluster.pods
    assert pod.phases == ("Pending", "Running", "Succeeded")
    assert pod.labels["task_id"] == "step"
    assert "deletionTimestamp" in pod.object["metadata"]
    assert {(one.verb, one.resource) for one in cluster.requests} >= {
        ("create", "pods"),
        ("get", "pods"),
        ("delete", "pods"),
        ("get", "pods/log"),
    }


@pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
def test_failure(cluster: Cluster, deferrable: bool) -> None:
    with pytest.raises(AirflowException, match="returned a failure"):
        executed(operator("echo no; exit 3", deferrable=deferrable, on_finish_action="keep_pod"))
    [pod] = cluster.pods
    assert (pod.phases[-1], pod.logs) == ("Failed", {"base": "no"})
    assert pod.status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_never_scheduled(cluster: Cluster) -> None:
    cluster.faults.add(Fault(kind="unschedulable"))
    with pytest.raises(AirflowException):
        executed(operator("true", schedule_timeout_seconds=1))
    assert cluster.pods[0].phases == ("Pending",)


def test_never_pulled(cluster: Cluster) -> None:
    cluster.faults.add(Fault(kind="image_not_found"))
    with pytest.raises(AirflowException):
        executed(operator("true", startup_timeout_seconds=2))
    assert "ImagePull" in str(cluster.pods[0].status)


def test_an_api_that_stumbles(cluster: Cluster) -> None:
    cluster.faults.add(RequestFault(kind="status", status=500, verb="get", resource="pods", times=1))
    executed(operator("true"))
    assert cluster.pods[0].phases[-1] == "Succeeded"
    assert cluster.faults.pending == []


def test_the_same_pod_is_found_again(cluster: Cluster) -> None:
    first = operator("sleep 1")
    context: Any = {"ti": TaskInstance(), "run_id": "manual__1", "dag": SimpleNamespace(), "task": first}
    made = first.get_or_create_pod(first.build_pod_request_obj(context), context)
    executed(operator("sleep 1"))
    assert [pod.name for pod in cluster.pods] == [made.metadata.name]
