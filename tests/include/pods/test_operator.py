"""Steps as pods of a cluster, and what a cluster does to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

from include.pods.operator import PodStepOperator
from include.steps import StepFailedError
from tests.conftest import changed
from tests.include.pods.conftest import Describe, Operator, cluster_for, context
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.spec import Node, Taint
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.memory import memory_state

Says = Callable[[str], None]
SECONDS = 20


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Makes every pod run a line of shell instead of the step."""

    def says(line: str) -> None:
        monkeypatch.setattr(PodStepOperator, "command", ["sh", "-c", line])

    return says


def raised(operator: PodStepOperator, made: Any = None) -> AirflowException:
    """What the task fails with."""
    with pytest.raises(AirflowException) as error:
        operator.execute(made or context(operator.task_id))
    return error.value


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    return cluster.store.find("pods")


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(cluster: Cluster) -> bool:
    return [pod["status"]["phase"] for pod in pods(cluster)] == ["Running"]


def test_success_returns_the_result_and_leaves_no_pod(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, capfd: pytest.CaptureFixture[str]
) -> None:
    made = context("decide")
    result = operator("decide").execute(made)
    assert (result["outcome"], result["winner"]) == ("promote", "logistic")
    assert pods(kubernetes) == []
    assert made["ti"].pushed["pod_name"].startswith("churn-decide-")
    assert "passed: auc_roc: 0.81 is at least 0.6" in capfd.readouterr().out


def test_a_step_that_is_left_out_starts_no_pod(kubernetes: Cluster, run: RunFolder, operator: Operator) -> None:
    with pytest.raises(AirflowSkipException, match="left out by this run's parameters"):
        operator("register", when="False").execute(context("register"))
    with pytest.raises(AirflowSkipException, match="the step `start` did not get to its end"):
        operator("report", needs_start=True).execute(context("report"))
    assert pods(kubernetes) == []


def test_a_step_that_cannot_succeed_is_final_with_its_own_message_and_its_pod_stays(
    kubernetes: Cluster, run: RunFolder, operator: Operator
) -> None:
    error = raised(operator("decide"))
    assert type(error) is AirflowFailException
    assert "decide: StepNotDoneError: " in str(error)
    assert "the step `start` writes it; run that first (configuration: no retry can change that)" in str(error)
    assert [pod["status"]["phase"] for pod in pods(kubernetes)] == ["Failed"]
    assert pods(kubernetes)[0]["metadata"]["labels"]["already_checked"] == "True"


@pytest.mark.parametrize(("code", "final"), [(1, False), (2, True), (3, True), (4, True), (143, False)])
def test_exit_codes_mean_the_same_as_in_a_local_run(
    code: int, final: bool, kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says(f"echo WARNING about to end; exit {code}")
    error = raised(operator("ingest"))
    assert type(error) is (AirflowFailException if final else StepFailedError)
    failure = run.at("ingest").failure()
    assert failure is not None
    assert failure.exit_code == code


def test_memory_that_ran_out_is_tried_again_with_more_up_to_the_cap(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe
) -> None:
    cluster_environment(more_memory={"factor": 1.5, "limit": "5Gi"})
    says("exit 137")
    messages = [raised(operator("train", "logistic"), context("train", number)) for number in (1, 2)]
    assert [type(message) for message in messages] == [StepFailedError, AirflowFailException]
    assert "train logistic: OutOfMemory: memory ran out at 4Gi; the next try gets 5120Mi" in str(messages[0])
    assert "memory ran out at 5120Mi; that is the most a step may get (5Gi)" in str(messages[1])
    asked = [pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in pods(kubernetes)]
    assert sorted(asked) == ["4Gi", "5120Mi"]
    state = memory_state(run.at("train", "logistic"))
    assert state is not None
    assert (state.ran_out_at, state.memory) == ("4Gi", "5120Mi")


def test_no_node_is_told_in_the_schedulers_own_words_and_the_pod_goes(
    s3_endpoint: str, run: RunFolder, operator: Operator, small_churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = (Node("plain"), Node("gpu", gpus=1, labels={"nvidia.com/gpu.present": "true"}, taints=(Taint("other"),)))
    wishes = changed(small_churn, resources={"train": {"gpu": 1, "schedule_timeout_minutes": 0.02}})
    with cluster_for(s3_endpoint, nodes=nodes) as kubernetes:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", kubernetes.connection_json())
        error = raised(operator("train", "logistic", of=wishes))
        assert pods(kubernetes) == []
    assert type(error) is StepFailedError
    assert "train logistic: Unschedulable: no node took the pod: 0/2 nodes are available: " in str(error)
    assert "1 node(s) didn't match Pod's node affinity/selector" in str(error)
    assert "1 node(s) had untolerated taint" in str(error)


def test_a_gpu_is_found_by_the_environments_selector_and_toleration(
    s3_endpoint: str, evaluated: RunFolder, operator: Operator, small_churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Node("gpu", gpus=1, labels={"nvidia.com/gpu.present": "true"}, taints=(Taint("nvidia.com/gpu", "present"),))
    wishes = changed(small_churn, resources={"default": {"gpu": 1}})
    with cluster_for(s3_endpoint, nodes=(Node("plain"), gpu)) as kubernetes:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", kubernetes.connection_json())
        says_where = operator("decide", of=wishes)
        result = says_where.execute(context("decide"))
    assert result["outcome"] == "promote"
    assert says_where.pod.spec.node_selector == {"nvidia.com/gpu.present": "true"}


def test_a_missing_secret_is_named_at_once(
    kubernetes: Cluster, run: RunFolder, operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(secrets={"PGPASSWORD": {"name": "nothing", "key": "password"}})
    began = time.monotonic()
    error = raised(operator("ingest"))
    assert time.monotonic() - began < SECONDS
    assert type(error) is AirflowFailException
    assert (
        "PodConfigurationError: container 'base' cannot be created (CreateContainerConfigError: secret \"nothing\""
        in str(error)
    )
    wait_until(lambda: not pods(kubernetes))


def test_an_image_that_is_not_there_is_final(
    kubernetes: Cluster, run: RunFolder, operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(images={"tabular": "registry.example.com/ml/nothing:1"})
    error = raised(operator("ingest"))
    assert type(error) is AirflowFailException
    assert "ingest: ImagePullError: the image cannot be pulled (" in str(error)
    assert "registry.example.com/ml/nothing:1" in str(error)
    wait_until(lambda: not pods(kubernetes))


def test_a_task_that_is_killed_takes_its_pod_along_and_is_not_tried_again(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("trap 'exit 143' TERM; sleep 600 & wait")
    killed = operator("ingest")
    errors: list[AirflowException] = []
    task = threading.Thread(target=lambda: errors.append(raised(killed)))
    task.start()
    wait_until(lambda: is_running(kubernetes))
    killed.on_kill()
    task.join(SECONDS)
    wait_until(lambda: not pods(kubernetes))
    assert [type(error) for error in errors] == [AirflowFailException]
    assert "(ended from outside: not retried)" in str(errors[0])


def test_a_pod_that_waits_for_a_node_goes_with_its_task_as_well(
    s3_endpoint: str, run: RunFolder, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster_for(s3_endpoint, nodes=(Node("small", cpu="100m"),)) as kubernetes:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", kubernetes.connection_json())
        killed = operator("ingest")
        errors: list[AirflowException] = []
        task = threading.Thread(target=lambda: errors.append(raised(killed)))
        task.start()
        wait_until(lambda: pods(kubernetes))
        killed.on_kill()
        task.join(SECONDS)
        wait_until(lambda: not pods(kubernetes))
    assert [type(error) for error in errors] == [AirflowFailException]


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


def test_neither_log_nor_error_shows_the_specification(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, capfd: pytest.CaptureFixture[str]
) -> None:
    says("exit 1")
    error = raised(operator("start", pipeline="planted: specification", parameters="{}"))
    everything = str(error) + "".join(capfd.readouterr())
    assert "planted" not in everything
    assert "secretKeyRef" not in everything
    assert "secret_key_ref" not in everything


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


def test_keeping_no_failed_pod_is_possible(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, cluster_environment: Describe
) -> None:
    cluster_environment(keep_failed_hours=0)
    says("exit 1")
    raised(operator("ingest"))
    wait_until(lambda: not pods(kubernetes))


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


def ended_trigger(trigger: Any) -> dict[str, Any]:
    """The event that the trigger fires, made anew from what Airflow keeps of it."""
    import asyncio
    from pydoc import locate

    path, arguments = trigger.serialize()
    kind: Any = locate(path)

    async def fired() -> Any:
        return [event.payload async for event in kind(**arguments).run()]

    events: list[dict[str, Any]] = asyncio.run(fired())
    assert len(events) == 1
    return events[0]


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
    cluster_environment(deferrable=True, secrets={"PGPASSWORD": {"name": "nothing", "key": "password"}})
    with pytest.raises(TaskDeferred) as deferred:
        operator("ingest").execute(context("ingest"))
    event = ended_trigger(deferred.value.trigger)
    with pytest.raises(AirflowFailException, match='secret "nothing" not found'):
        operator("ingest").trigger_reentry(context("ingest"), event)
    wait_until(lambda: not pods(kubernetes))
