"""An environment whose steps are pods, with a store that pods share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.bases.operator import ExecutorSafeguard

from include.pods.operator import PodStepOperator
from include.pods.placement import placement_of
from include.settings import load_settings
from trainer.pipeline import Pipeline
from trainer.run import RunFolder

KEY = "manual__1-a1b2c3"
Describe = Callable[..., dict[str, Any]]
Operator = Callable[..., PodStepOperator]


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
            "kubernetes": {**production["kubernetes"], "connection": "kubernetes_default", **kubernetes},
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
