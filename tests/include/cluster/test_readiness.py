"""Which pod does not get ready, and why: one line each, with what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from include.cluster.readiness import WORKLOADS, wait
from include.stack.docker import StackError
from tests.include.cluster.conftest import Machine, Object, container, pod, workload
from tests.include.kubernetes.rendering import pod_specs

POSTGRES, S3 = workload("StatefulSet", "postgres"), workload("StatefulSet", "s3")
RUNNING: Object = {"running": {}}
CRASHED: Object = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}
ENDED = {"terminated": {"exitCode": 1, "reason": "Error"}}
WELL = {"terminated": {"exitCode": 0}}


def line_of(machine: Machine, *objects: Object, seconds: float = 30) -> str:
    """The line of a wait that gives up."""
    machine.has(*objects)
    (machine.project / ".cluster").mkdir(exist_ok=True)
    with pytest.raises(StackError) as error:
        wait(machine.programs, seconds)
    return str(error.value)


def mlflow(*containers: Object, **more: Any) -> list[Object]:
    return [POSTGRES, S3, workload("Deployment", "mlflow", 0), pod("mlflow-1", "mlflow", *containers, **more)]


def migrating(state: Object, restarts: int = 0, last: Object | None = None) -> list[Object]:
    return mlflow(init=(container("migrate", state, restarts, last),))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            'FATAL:  password authentication failed for user "mlflow"',
            "the password in its Secret is not the one that the database was created with; .*make cluster-down.*",
        ),
        (
            "mlflow.exceptions.MlflowException: Detected out-of-date database schema (found version a, expected b)",
            "MLflow's database is older than its server; kubectl --namespace mlflow rollout restart deployment/mlflow .*",
        ),
        (
            "alembic.util.exc.CommandError: Can't locate revision identified by 'dc11669786a5'",
            "the database was migrated by a newer MLflow; use the image of that version, or: .*",
        ),
        ('FATAL:  database "mlflow" does not exist', "the database was created without .*databases.sql; .*"),
        (
            "one\nKilled\n",
            r"its log ends: Killed; kubectl --namespace mlflow logs mlflow-1 --container migrate shows more",
        ),
    ],
    ids=["password", "older schema", "newer schema", "no database", "unknown"],
)
def test_a_container_that_crashes(machine: Machine, log: str, said: str) -> None:
    machine.logs("mlflow-1", "migrate", log)
    assert re.fullmatch(f"mlflow-1: exit code 1: {said}", line_of(machine, *migrating(CRASHED, 2, ENDED)))


def test_a_known_cause_is_told_while_the_container_still_tries(machine: Machine) -> None:
    machine.logs("mlflow-1", "migrate", "password authentication failed\nOperation will be retried in 102.3 seconds")
    assert line_of(machine, *migrating(RUNNING)).startswith("mlflow-1: not ready in time: the password in its Secret")


def test_a_database_from_another_version(machine: Machine) -> None:
    machine.logs("postgres-0", "postgres", "FATAL:  database files are incompatible with server\nDETAIL: version 16")
    broken = pod("postgres-0", "postgres", container("postgres", CRASHED, 3, ENDED))
    line = line_of(machine, workload("StatefulSet", "postgres", 0), S3, broken, *mlflow()[2:])
    assert line.startswith("postgres-0: exit code 1: its volume is from another PostgreSQL version; dump it with that")


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        (
            "CreateContainerConfigError",
            'secret "mlflow-database" not found',
            "a Secret is missing; make cluster-up creates it",
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key password in Secret mlflow/mlflow-database",
            "a Secret is missing; .*",
        ),
        (
            "ImagePullBackOff",
            'Back-off pulling image "mlflow-server:0.1.0"',
            "the node cannot get its image; see whether .*",
        ),
        ("CreateContainerError", "no command specified", "kubectl --namespace mlflow describe pod mlflow-1 shows more"),
    ],
    ids=["secret", "key", "image", "unknown"],
)
def test_a_container_that_cannot_be_created(machine: Machine, reason: str, message: str, said: str) -> None:
    line = line_of(machine, *migrating({"waiting": {"reason": reason, "message": message}}))
    assert re.fullmatch(f"mlflow-1: {reason}: {re.escape(message)}; {said}", line)


def test_a_container_that_needs_more_memory(machine: Machine) -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    line = line_of(machine, *mlflow(container("mlflow", CRASHED, 1, last), init=(container("migrate", WELL),)))
    assert line == "mlflow-1: exit code 137; killed for memory; raise its limit in include/kubernetes"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'pods "mlflow-1" is forbidden: exceeded quota: servers, requested: pods=1, used: pods=2, limited: pods=2',
            "its namespace's quota is used up; delete pods that have ended, or raise the ResourceQuota",
        ),
        (
            'pods "mlflow-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "its namespace refuses the pod; correct the manifest",
        ),
    ],
    ids=["quota", "security"],
)
def test_a_pod_that_is_not_admitted(machine: Machine, message: str, said: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    line = line_of(machine, POSTGRES, S3, workload("Deployment", "mlflow", 0, conditions=[failure]))
    assert line == f"mlflow: {message}; {said}"
    event = {
        "kind": "Event",
        "type": "Warning",
        "reason": "FailedCreate",
        "message": message,
        "involvedObject": {"name": "s3"},
    }
    assert (
        line_of(machine, POSTGRES, workload("StatefulSet", "s3", 0), event, workload("Deployment", "mlflow"))
        == f"s3: {message}; {said}"
    )


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("0/1 nodes are available: 1 Insufficient memory.", "the node is too small; give the engine more memory .*"),
        ("pod has unbound immediate PersistentVolumeClaims", "its volume is not bound; kubectl get storageclass .*"),
    ],
    ids=["memory", "volume"],
)
def test_a_pod_without_a_node(machine: Machine, message: str, said: str) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": message}
    line = line_of(machine, *mlflow(conditions=[unscheduled]), seconds=0.05)
    assert re.fullmatch(f"mlflow-1: {re.escape(message)}; {said}", line)


def test_a_pod_that_never_gets_ready(machine: Machine) -> None:
    machine.logs("mlflow-1", "mlflow", "waiting for the network\n")
    line = line_of(machine, *mlflow(container("mlflow", RUNNING), init=(container("migrate", WELL),)), seconds=0.05)
    assert line.startswith(
        "mlflow-1: not ready in time: its log ends: waiting for the network; kubectl --namespace mlflow"
    )
    line = line_of(machine, POSTGRES, S3, workload("Deployment", "mlflow", 0), seconds=0.05)
    assert line.startswith("mlflow: it has no pod;")


def test_what_is_late_at_first(machine: Machine) -> None:
    """MLflow crashes until its database is there, and a Deployment that was just changed is not ready yet."""
    (machine.project / ".cluster").mkdir()
    late = workload("StatefulSet", "postgres", 0)
    machine.has(late, S3, *migrating(CRASHED, 5, ENDED)[2:], look=1)
    old = workload("Deployment", "mlflow")
    old["metadata"]["generation"] = 2
    machine.has(POSTGRES, S3, old, *migrating(CRASHED, 1, ENDED)[3:], look=2)
    machine.has(POSTGRES, S3, workload("Deployment", "mlflow"))
    wait(machine.programs)
    assert sum("get deployments" in line for line in machine.calls) == 3


def test_nothing_is_not_ready(machine: Machine) -> None:
    """Servers that are not there do not count as ready."""
    line = line_of(machine, S3)
    assert line == "not in the namespace mlflow, although applied: mlflow, postgres; run make cluster-up again"
    there = {title.split("/")[1] for title in pod_specs("development") if "mlflow/" in title}
    assert there == WORKLOADS
