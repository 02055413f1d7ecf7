"""A step that several pods share, as a Job of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.operators.pods import job_manifest
from tests.include.kubernetes.test_manifests import VERSIONS
from tests.include.operators.pods.conftest import (
    KEY,
    SLEEPS,
    JobStep,
    Says,
    cluster_for,
    context,
    pods,
    raised,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault
from tests.kubernetes.spec import EVERYTHING, Node
from trainer.run import RunFolder
from trainer.run.memory import memory_state
from trainer.run.nodes import node_failure_file
from trainer.run.records import Failure

INDEX = "batch.kubernetes.io/job-completion-index"


def by_node(first: str, second: str) -> str:
    """A line of shell for each of the two pods of a Job."""
    return f'if [ "$JOB_COMPLETION_INDEX" = 0 ]; then {first}; else {second}; fi'


def decides(run: RunFolder) -> str:
    return f"exec python -m trainer step decide --run {run.uri}"


def jobs(cluster: Cluster) -> list[dict[str, Any]]:
    return cluster.store.find("jobs")


def nothing_is_left(cluster: Cluster) -> bool:
    return not [*jobs(cluster), *pods(cluster), *cluster.store.find("services")]


def test_success_returns_the_result_of_the_first_pod_and_leaves_nothing(
    kubernetes: Cluster, evaluated: RunFolder, job_step: JobStep, says: Says, capfd: pytest.CaptureFixture[str]
) -> None:
    says(by_node(decides(evaluated), "echo node 1 says nothing of interest"))
    made = context("decide")
    assert job_step("decide").execute(made)["outcome"] == "promote"
    job = made["ti"].pushed["job_name"]
    wait_until(lambda: nothing_is_left(kubernetes))
    printed = capfd.readouterr().out
    assert "passed: auc_roc: 0.81 is at least 0.6" in printed
    assert "of interest" not in printed
    [first, second] = sorted(kubernetes.pods, key=lambda pod: pod.name)
    assert [first.labels[INDEX], second.labels[INDEX]] == ["0", "1"]
    assert {(pod.labels["step"], pod.labels["run"]) for pod in (first, second)} == {("decide", KEY)}
    env = {one["name"]: one.get("value") for one in second.spec["containers"][0]["env"]}
    said = {name: env[f"TRAINER_{name}"] for name in ("NODES", "JOB", "MEETING")}
    assert said == {"NODES": "2", "JOB": job, "MEETING": f"{job}-0.{job}:29400"}
    assert (second.spec["hostname"], second.spec["subdomain"]) == (f"{job}-1", job)
    made = {one.resource: one.body for one in kubernetes.requests if one.verb == "create"}
    for body in made.values():
        for version in VERSIONS:
            kubernetes_validate.validate(body, version, strict=True)
    assert made["services"]["spec"]["selector"] == {"batch.kubernetes.io/job-name": job}
    assert made["services"]["spec"]["clusterIP"] == "None"
    assert made["jobs"]["spec"]["activeDeadlineSeconds"] == 15 * 60
    assert "activeDeadlineSeconds" not in made["jobs"]["spec"]["template"]["spec"]


def test_a_failure_of_another_pod_ends_all_and_is_the_tasks(
    kubernetes: Cluster, run: RunFolder, job_step: JobStep, says: Says, capfd: pytest.CaptureFixture[str]
) -> None:
    says(by_node(SLEEPS, "sleep 0.5; echo ERROR the images are gone; exit 3"))
    kept = Failure(step="ingest", error="DataValidationError", message="no image is left", exit_code=3)
    operator = job_step("ingest")
    operator._base = "known"  # the name of the Job, whose nodes keep why they fail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_manifest, "base_of", lambda _: "known")
        run.at("ingest").write_text(node_failure_file("job-known", 1), kept.model_dump_json())
        error = raised(operator)
    assert type(error) is AirflowFailException
    assert "ingest: DataValidationError: node 1: no image is left (data refused: no retry can change" in str(error)
    assert run.at("ingest").failure() == kept.model_copy(update={"message": "node 1: no image is left"})
    printed = capfd.readouterr().out
    assert "begun" in printed, "the output of the first pod, as it comes"
    assert "the images are gone" in printed, "that of the pod that failed"
    assert [pod.status["phase"] for pod in kubernetes.pods if pod.labels[INDEX] == "1"] == ["Failed"], "it stays"
    [job] = jobs(kubernetes)
    assert job["metadata"]["labels"]["already_checked"] == "True"
    assert job["spec"]["ttlSecondsAfterFinished"] == 24 * 3600


def test_memory_that_ran_out_in_any_pod_is_more_with_the_next_try(
    kubernetes: Cluster, run: RunFolder, job_step: JobStep, says: Says
) -> None:
    says(by_node("sleep 0.3; exit 1", "exit 137"))
    for number in (1, 2):
        assert "OutOfMemory: memory ran out at" in str(raised(job_step("ingest"), context("ingest", number)))
    asked = [
        job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] for job in jobs(kubernetes)
    ]
    assert len({*asked}) == 2
    assert memory_state(run.at("ingest")) is not None


@pytest.mark.parametrize("how", ["evicted", "told to end"])
def test_a_pod_that_is_taken_away_is_replaced(
    how: str, kubernetes: Cluster, evaluated: RunFolder, job_step: JobStep, says: Says
) -> None:
    says(by_node(f"trap 'exit 143' TERM; echo begun; sleep 0.8 & wait; {decides(evaluated)}", "exit 0"))
    if how == "evicted":
        kubernetes.faults.add(Fault(kind="evicted", labels={INDEX: "0"}, after=0.1))
    else:
        once_first_has_begun(kubernetes, lambda: delete_first(kubernetes))
    assert job_step("decide").execute(context("decide"))["outcome"] == "promote"
    assert [pod.labels[INDEX] for pod in kubernetes.pods].count("0") == 2


def once_first_has_begun(cluster: Cluster, does: Callable[[], None]) -> None:
    """Do something, in a thread, once the first pod of a Job has said that it has begun."""

    def wait() -> None:
        wait_until(lambda: first_has_begun(cluster))
        does()

    threading.Thread(target=wait).start()


def first_has_begun(cluster: Cluster) -> bool:
    return any("begun" in pod.logs.get("base", "") for pod in cluster.pods if pod.labels[INDEX] == "0")


def delete_first(cluster: Cluster) -> None:
    [first] = [pod["metadata"] for pod in pods(cluster) if pod["metadata"]["labels"][INDEX] == "0"]
    cluster.delete_pod(first["namespace"], first["name"], None)


def test_a_pod_that_no_node_takes_fails_the_task_and_the_job_goes(
    s3_endpoint: str, run: RunFolder, job_step: JobStep, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    says("sleep 1")
    with cluster_for(s3_endpoint, nodes=(Node(cpu="2"),)) as small:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", small.connection_json())
        error = raised(job_step("ingest", cpu="2", schedule_timeout_minutes=0.02))
        assert "ingest: Unschedulable: no node took the pod: 0/1 nodes are available: 1 Insufficient cpu" in str(error)
        assert nothing_is_left(small)
        assert len(small.pods) == 2


def test_a_job_of_an_earlier_try_is_taken_up_again(
    kubernetes: Cluster, evaluated: RunFolder, job_step: JobStep, says: Says
) -> None:
    says(by_node(decides(evaluated), "exit 0"))
    job_step("decide")._start(evaluated.at("decide"), context("decide"))  # its worker is killed after that
    assert job_step("decide").execute(context("decide", 2))["outcome"] == "promote"
    assert len([one for one in kubernetes.requests if (one.verb, one.resource) == ("create", "jobs")]) == 1


def test_a_task_that_is_ended_leaves_no_job(kubernetes: Cluster, run: RunFolder, job_step: JobStep, says: Says) -> None:
    says(SLEEPS)
    operator = job_step("ingest")
    once_first_has_begun(kubernetes, operator.on_kill)
    error = raised(operator)
    assert type(error) is AirflowFailException
    assert "(ended from outside: not retried)" in str(error)
    wait_until(lambda: nothing_is_left(kubernetes))


def test_a_service_that_is_not_allowed_leaves_no_job(
    s3_endpoint: str, run: RunFolder, job_step: JobStep, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    says("sleep 1")
    allowed = {resource: verbs for resource, verbs in EVERYTHING.items() if resource != "services"}
    with cluster_for(s3_endpoint, allowed=allowed) as cluster:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection_json())
        error = raised(job_step("ingest"))
        assert type(error) is AirflowFailException
        assert "NotAuthorized: the cluster does not let Airflow start pods: 403 services is forbidden" in str(error)
        wait_until(lambda: nothing_is_left(cluster))
