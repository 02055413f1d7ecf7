"""How long a pod lives: found again, taken along, kept, swept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import EndpointConnectionError

from include.operators.base import StepFailedError
from include.operators.pods import sweeping
from include.operators.pods.operator import PodStepOperator
from include.operators.pods.sweeping import sweep_ended_pods
from tests.include.operators.pods.conftest import (
    SECONDS,
    SLEEPS,
    Describe,
    Operator,
    Says,
    cluster_for,
    context,
    is_running,
    pods,
    raised,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault, RequestFault
from tests.kubernetes.fixtures import api_of
from tests.kubernetes.spec import Node
from trainer.run import RunFolder


def killed(task: PodStepOperator, cluster: Cluster, begun: Callable[[], Any]) -> AirflowException:
    """What a task fails with that is killed once its pod has begun; the pod is gone then."""
    errors: list[AirflowException] = []
    thread = threading.Thread(target=lambda: errors.append(raised(task)))
    thread.start()
    wait_until(begun)
    task.on_kill()
    thread.join(SECONDS)
    wait_until(lambda: not pods(cluster))
    (error,) = errors
    assert type(error) is AirflowFailException
    return error


def test_a_task_that_is_killed_takes_its_pod_along_and_is_not_tried_again(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("trap 'exit 143' TERM; sleep 600 & wait")
    error = killed(operator("ingest"), kubernetes, lambda: is_running(kubernetes))
    assert "(ended from outside: not retried)" in str(error)


def test_a_pod_that_waits_for_a_node_goes_with_its_task_as_well(
    s3_endpoint: str, run: RunFolder, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster_for(s3_endpoint, nodes=(Node("small", cpu="100m"),)) as kubernetes:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", kubernetes.connection_json())
        killed(operator("ingest"), kubernetes, lambda: pods(kubernetes))


def test_the_next_try_finds_the_pod_of_a_worker_that_is_gone(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator
) -> None:
    store: dict[str, Any] = {}
    lost = operator("decide")
    lost._start(evaluated.at("decide"), context("decide", 1, store))  # and nobody waits for it
    name = lost.pod.metadata.name
    wait_until(lambda: [pod["status"]["phase"] for pod in pods(kubernetes)] == ["Succeeded"])
    again = operator("decide")
    assert again.execute(context("decide", 2, store))["outcome"] == "promote"
    assert again.pod.metadata.name == name
    wait_until(lambda: not pods(kubernetes))


def test_the_next_try_finds_it_by_its_labels_where_airflow_remembers_nothing(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("sleep 2; exit 3")
    lost = operator("ingest")
    lost._start(run.at("ingest"), context("ingest", 1))
    error = raised(operator("ingest"), context("ingest", 2))
    assert type(error) is AirflowFailException
    assert [pod["metadata"]["name"] for pod in pods(kubernetes)] == [lost.pod.metadata.name]


def test_a_pod_that_is_on_its_way_out_is_not_waited_for(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("trap '' TERM; sleep 5; exit 3")
    cleared = operator("ingest")
    cleared._start(run.at("ingest"), context("ingest", 1))
    wait_until(lambda: is_running(kubernetes))
    cleared.on_kill()
    says("exit 4")
    again = operator("ingest")
    error = raised(again, context("ingest", 2))
    assert again.pod.metadata.name != cleared.pod.metadata.name
    assert "model refused" in str(error)


def test_a_pod_that_somebody_deletes_is_tried_again(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("sleep 600")

    def delete() -> None:
        wait_until(lambda: is_running(kubernetes))
        kubernetes.delete_pod("ml-training", pods(kubernetes)[0]["metadata"]["name"], 0)

    threading.Thread(target=delete).start()
    error = raised(operator("ingest"))
    assert type(error) is StepFailedError
    assert "the pod is gone" in str(error) or "somebody deleted the pod" in str(error)


@pytest.mark.parametrize("watches", [True, False], ids=["watched", "may not watch"])
def test_what_was_announced_to_a_pod_is_known_after_it_is_gone(
    watches: bool, kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    """Nobody reads the pod between the announcement and its end."""
    says(SLEEPS)
    kubernetes.faults.add(Fault(kind="preempted", after=0.5))
    if not watches:
        kubernetes.faults.add(RequestFault(kind="status", verb="watch", status=403, times=99))
    error = raised(operator("ingest"))
    assert type(error) is StepFailedError
    assert "ingest: PodPreempted: a pod of higher priority took the place (Preempt" in str(error)
    kubernetes.faults.clear()


def test_what_a_pod_said_is_told_however_long_ago_it_ended(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a scheduler's crash, which Airflow notices after five minutes."""
    says("echo INFO said before the crash; exit 3")
    lost = operator("ingest")
    lost._start(run.at("ingest"), context("ingest", 1))
    wait_until(lambda: [pod["status"]["phase"] for pod in pods(kubernetes)] == ["Failed"])

    def an_hour_ago(pod: Any) -> Any:
        for status in pod["status"]["containerStatuses"]:
            status["state"]["terminated"]["finishedAt"] = "2026-01-04T02:00:00Z"
        return pod

    kubernetes.store.update("pods", "ml-training", lost.pod.metadata.name, an_hour_ago)
    raised(operator("ingest"), context("ingest", 2))
    assert capsys.readouterr().out.count("said before the crash") == 1


def test_a_run_folder_that_is_away_does_not_hide_why_the_pod_ended(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    says(SLEEPS)
    kubernetes.faults.add(Fault(kind="evicted", after=0.5))
    task = operator("ingest")

    def away(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://store.example")

    started = task._start

    def start(*arguments: Any) -> None:
        started(*arguments)
        monkeypatch.setattr(RunFolder, "read_text", away)
        monkeypatch.setattr(RunFolder, "write_text", away)

    monkeypatch.setattr(task, "_start", start)
    error = raised(task)
    assert "ingest: PodEvicted: the node evicted the pod: The node was low on resource" in str(error)
    assert "whether the step was done before cannot be seen: the store of s3://" in capsys.readouterr().out


def test_a_pod_that_is_lost_after_its_step_was_done_has_done_it(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = operator("decide").command
    monkeypatch.setattr(PodStepOperator, "command", ["sh", "-c", f"{' '.join(command)} && sleep 600"])

    def delete() -> None:
        wait_until(lambda: evaluated.filesystem.exists(evaluated.at("decide").path("result.json")))
        kubernetes.delete_pod("ml-training", pods(kubernetes)[0]["metadata"]["name"], 0)

    threading.Thread(target=delete).start()
    assert operator("decide").execute(context("decide"))["outcome"] == "promote"


def test_old_failed_pods_are_swept_by_the_next_run(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe
) -> None:
    says("exit 1")
    raised(operator("ingest"))
    raised(operator("start"))
    assert len(pods(kubernetes)) == 2
    cluster_environment(keep_failed_hours=0.0001)
    time.sleep(1.5)
    raised(operator("start"), context("start", 2))
    assert len(pods(kubernetes)) == 1


def test_an_orphan_of_a_killed_task_is_swept(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PodStepOperator, "_concluded", lambda *_: None)  # as if killed before it had judged the pod
    operator("decide").execute(context("decide"))
    (orphan,) = pods(kubernetes)
    assert orphan["status"]["phase"] == "Succeeded"
    with api_of(kubernetes) as client:
        assert sweep_ended_pods(client, "ml-training", keep_hours=0) == 0
        monkeypatch.setattr(sweeping, "LEAST_HOURS_OF_ORPHANS", -0.1)
        assert sweep_ended_pods(client, "ml-training", keep_hours=-0.1) == 1
    wait_until(lambda: not pods(kubernetes))


def test_keeping_no_failed_pod_is_possible(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe
) -> None:
    cluster_environment(keep_failed_hours=0)
    says("exit 1")
    raised(operator("ingest"))
    wait_until(lambda: not pods(kubernetes))
