"""Steps as pods of a cluster: how they end, and what their tasks say."""

from __future__ import annotations

import time
from copy import copy
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.operators.base import StepFailedError
from include.operators.pods.operator import PodStepOperator
from tests.conftest import changed
from tests.include.operators.pods.conftest import (
    SECONDS,
    Describe,
    Operator,
    Says,
    cluster_for,
    context,
    pods,
    raised,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.spec import Node, Taint
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.memory import memory_state


def test_success_returns_the_result_and_leaves_no_pod(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, capfd: pytest.CaptureFixture[str]
) -> None:
    made = context("decide")
    result = operator("decide").execute(made)
    assert (result["outcome"], result["winner"]) == ("promote", "logistic")
    assert pods(kubernetes) == []
    assert made["ti"].pushed["pod_name"].startswith("churn-decide-")
    assert "passed: auc_roc: 0.81 is at least 0.6" in capfd.readouterr().out


def test_each_line_of_a_step_is_in_the_tasks_log_once_however_late_its_end_is_told(
    s3_endpoint: str, run: RunFolder, operator: Operator, says: Says, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    says("for n in 1 2 3 4; do echo line $n; sleep 0.2; done; exit 3")
    with cluster_for(s3_endpoint, status_seconds=1.5) as kubernetes:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", kubernetes.connection_json())
        raised(operator("ingest"))
    said = capfd.readouterr().out
    assert [said.count(f"line {number} ") for number in (1, 2, 3, 4)] == [1, 1, 1, 1], said


@pytest.mark.parametrize(("line", "error"), [("exit 0", None), ("exit 3", "data refused")])
def test_a_container_beside_the_steps_own_is_not_waited_for(
    line: str, error: str | None, kubernetes: Cluster, evaluated: RunFolder, operator: Operator, says: Says,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    decide = operator("decide")
    build = PodStepOperator.build_pod_request_obj

    def with_mesh(self: PodStepOperator, *args: Any, **kwargs: Any) -> Any:
        pod = build(self, *args, **kwargs)
        beside = copy(pod.spec.containers[0])
        beside.name, beside.command, beside.args = "mesh", ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"], []
        pod.spec.containers.append(beside)
        return pod

    monkeypatch.setattr(PodStepOperator, "build_pod_request_obj", with_mesh)
    if error is None:
        assert decide.execute(context("decide"))["outcome"] == "promote"
    else:
        says(line)
        assert error in str(raised(decide))
    wait_until(lambda: not pods(kubernetes))


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


@pytest.mark.parametrize(("step", "key"), [("tune_worker", "tune"), ("refit_everything", "refit")])
def test_memory_that_ran_out_is_raised_where_the_pipeline_says_it(
    step: str, key: str, kubernetes: Cluster, operator: Operator, says: Says
) -> None:
    says("exit 137")
    error = raised(operator(step, "logistic" if step == "tune_worker" else ""))
    assert f"(`resources.{key}.memory`)" in str(error)


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
    cluster_environment(secrets={"AWS_SESSION_TOKEN": {"name": "nothing", "key": "password"}})
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


def test_neither_log_nor_error_shows_the_specification(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, capfd: pytest.CaptureFixture[str]
) -> None:
    says("exit 1")
    error = raised(operator("start", pipeline="planted: specification", parameters="{}"))
    everything = str(error) + "".join(capfd.readouterr())
    assert "planted" not in everything
    assert "secretKeyRef" not in everything
    assert "secret_key_ref" not in everything
