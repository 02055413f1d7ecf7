"""An environment whose steps are pods, with a store that pods share."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pydoc import locate
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.cncf.kubernetes import kubernetes_helper_functions as provider
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, TaskDeferred
from tenacity import wait_fixed

from include.environment.settings import load_settings
from include.operators.pods import job_operator, trigger
from include.operators.pods.job_operator import JobStepOperator
from include.operators.pods.operator import PodStepOperator
from include.operators.pods.placement import placement_of
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.spec import EVERYTHING, Image, Namespace, Spec
from trainer.pipeline import Pipeline, Resources
from trainer.run import RunFolder

IMAGE = "registry.example.com/ml/trainer-tabular:0.1.0"
KEY = "manual__1-a1b2c3"
Describe = Callable[..., dict[str, Any]]
Operator = Callable[..., PodStepOperator]
JobStep = Callable[..., JobStepOperator]
Says = Callable[[str], None]
SECONDS = 20
SLEEPS = "trap 'exit 143' TERM; echo begun; sleep 600 & wait"
"""A line of shell that ends as a step does that is told to."""


@pytest.fixture
def cluster_environment(
    tmp_path: Path, project: Path, s3_bucket: str, s3_endpoint: str, fresh_stores: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Describe]:
    """Makes `cluster` the current environment: the one for production, with this test's store; `kubernetes` is laid over."""
    folder = tmp_path / "environments"
    shutil.copytree(project / "include" / "environments", folder)
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(folder))
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "cluster")

    def describe(**kubernetes: Any) -> dict[str, Any]:
        production = yaml.safe_load((folder / "production.yaml").read_text())
        document = {
            **production,
            "artifact_store": f"s3://{s3_bucket}/runs",
            "data_store": f"s3://{s3_bucket}/data",
            "aws_connection": None,
            "retries": 1,
            "retry_delay_seconds": 0,
            "kubernetes": {
                **production["kubernetes"],
                "connection": "kubernetes_default",
                "variables": {"AWS_ENDPOINT_URL": s3_endpoint, "AWS_DEFAULT_REGION": "us-east-1"},
                **kubernetes,
            },
        }
        (folder / "cluster.yaml").write_text(yaml.safe_dump(document))
        load_settings.cache_clear()
        return document

    describe()
    yield describe
    load_settings.cache_clear()


@pytest.fixture
def run(cluster_environment: Describe, s3_bucket: str) -> RunFolder:
    """A run folder with nothing in it, in the shared store."""
    return RunFolder.open(f"s3://{s3_bucket}/runs/churn/{KEY}")


@pytest.fixture
def operator(run: RunFolder, small_churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Makes the operator of a step."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)

    def operator(step: str, algorithm: str = "", of: Pipeline = small_churn, **kwargs: Any) -> PodStepOperator:
        placement = placement_of(of, load_settings().kubernetes, step, algorithm)
        return PodStepOperator(
            task_id=step, step=step, algorithm=algorithm, run=run.uri, placement=placement,
            pipeline_name=of.name, team=of.owner, **kwargs,
        )  # fmt: skip

    return operator


@pytest.fixture
def job_step(run: RunFolder, small_churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> JobStep:
    """Makes the operator of a step with two pods. Any step will do: which may have several is the pipeline's matter."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    monkeypatch.setattr(job_operator, "SECONDS_BETWEEN_LOOKS", 0.1)

    def job_step(step: str, **wishes: Any) -> JobStepOperator:
        placement = placement_of(small_churn, load_settings().kubernetes, step)
        placement = replace(placement, wishes=Resources(nodes=2, **wishes).over(placement.wishes))
        return JobStepOperator(
            task_id=step, step=step, run=run.uri, placement=placement, pipeline_name=small_churn.name,
            team=small_churn.owner, execution_timeout=timedelta(minutes=5),
        )  # fmt: skip

    return job_step


class TaskInstance:
    """What the provider asks of a task's instance; `store` is Airflow's memory between the tries of a task."""

    def __init__(self, task_id: str, try_number: int = 1, store: dict[str, Any] | None = None) -> None:
        self.dag_id, self.task_id, self.map_index, self.try_number = "churn_training", task_id, -1, try_number
        self.start_date = datetime.now(UTC)
        self.store: dict[str, Any] = {} if store is None else store
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get(self, key: str) -> Any:
        return self.store.get(key)

    def set(self, key: str, value: Any) -> None:
        self.store[key] = value


def context(task_id: str, try_number: int = 1, store: dict[str, Any] | None = None) -> Any:
    """What a task is given when it runs."""
    instance = TaskInstance(task_id, try_number, store)
    dag = SimpleNamespace(parent_dag=None, dag_id=instance.dag_id)
    return {"run_id": "manual__1", "ti": instance, "dag": dag, "task_state_store": instance}


@pytest.fixture
def kubernetes(cluster_environment: Describe, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The environment's cluster, of one node without GPUs."""
    with cluster_for(s3_endpoint) as running:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", running.connection_json())
        yield running


def cluster_for(s3_endpoint: str, allowed: Any = EVERYTHING, **changes: Any) -> Cluster:
    """A cluster as `include/kubernetes/base` and the README leave it, with an image that is this very machine."""
    namespace = Namespace(
        "ml-training",
        secrets={
            "trainer-s3": {"access_key_id": "test-key", "secret_access_key": "test-secret"},
            "trainer-studies": {"username": "studies", "password": "studies-secret"},
        },
        config_maps={"training-cost-rates": {"gpu_hour": "0.25", "cpu_core_hour": "0.05"}},
        service_accounts=("default", "trainer"),
        allowed=allowed,
    )
    return Cluster(Spec(**{"namespaces": (namespace,), "images": {IMAGE: Image()}, **changes}))


@pytest.fixture(params=[False, True], ids=["worker", "triggerer"])
def mode(request: pytest.FixtureRequest, cluster_environment: Describe, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Who waits for pods, once the worker and once the triggerer; whether it is the latter."""
    deferrable: bool = request.param
    cluster_environment(deferrable=deferrable)
    monkeypatch.setattr(trigger, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(trigger, "SECONDS_BETWEEN_LOGS", 1)
    return deferrable


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider asks the API again after .05 s in place of 1, 2, 4 and 7 s."""
    monkeypatch.setattr(provider, "_default_wait", wait_fixed(0.05))


@pytest.fixture
def evaluated(
    run: RunFolder, small_churn: Pipeline, begin: Callable[..., RunFolder], evaluate: Callable[..., RunFolder]
) -> RunFolder:
    """A run whose next step is `decide`, the quickest one; in these tests a pod does it."""
    return evaluate(begin(run, small_churn), auc_roc=0.81)


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


def carried_out(operator: Callable[[], PodStepOperator], made: Any) -> Any:
    """The task's result as Airflow gets it: where the task defers, its trigger runs, and it goes on as a new object."""
    try:
        return operator().execute(made)
    except TaskDeferred as deferred:
        left: Any = deferred
    while True:
        event = ended_trigger(left.trigger)
        try:
            return operator().trigger_reentry(made, event)
        except TaskDeferred as again:
            left = again


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    return cluster.store.find("pods")


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(cluster: Cluster) -> bool:
    return [pod["status"]["phase"] for pod in pods(cluster)] == ["Running"]


def ended_trigger(trigger: Any) -> dict[str, Any]:
    """The event that the trigger fires, made anew from what Airflow keeps of it."""
    path, arguments = trigger.serialize()
    kind: Any = locate(path)

    async def fired() -> Any:
        return [event.payload async for event in kind(**arguments).run()]

    events: list[dict[str, Any]] = asyncio.run(fired())
    assert len(events) == 1
    return events[0]
