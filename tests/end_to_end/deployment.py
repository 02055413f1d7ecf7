"""A deployment on a cluster: the environment `trial`, whose S3, MLflow and PostgreSQL are real servers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.faults.world.servers import serve_mlflow
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.spec import Image, Namespace, Node, Spec
from tests.postgres import PASSWORD, USER
from tests.world import PROJECT, QUICK

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

IMAGE = "trainer-tabular:0.1.0"
STEPS = [
    "start", "ingest", "validate", "detect_drift", "engineer_features", "tune_worker", "tune_worker", "tune", "train",
    "refit", "evaluate", "explain", "register", "accept", "promote", "report",
]  # fmt: skip


class Deployment:
    """A checkout whose environment is `trial`, as it ships but for the addresses."""

    def __init__(self, checkout: Checkout, cluster: Cluster, bucket: str) -> None:
        self.checkout = checkout
        self.cluster = cluster
        self.bucket = bucket

    @property
    def folder(self) -> Any:
        """The run's folder, as any client of the store sees it."""
        from trainer.run import RunFolder

        store = f"s3://{self.bucket}/runs/churn"
        listed = RunFolder.open(store)
        (key,) = [str(path).rsplit("/", 1)[-1] for path in listed.filesystem.ls(listed.root, refresh=True)]
        return RunFolder.open(f"{store}/{key}")

    @property
    def steps(self) -> list[str]:
        return [pod.labels["step"] for pod in self.cluster.pods]


@pytest.fixture
def deployment(
    checkout: Checkout, s3_bucket: str, s3_endpoint: str, postgres_database: str, tmp_path: Path
) -> Iterator[Deployment]:
    environments = tmp_path / "environments"
    shutil.copytree(PROJECT / "include" / "environments", environments)
    with serve_mlflow(f"sqlite:///{tmp_path}/mlflow.db", f"s3://{s3_bucket}/mlflow", tmp_path / "mlflow.log") as mlflow:
        trial = yaml.safe_load((environments / "trial.yaml").read_text())
        trial |= {
            "artifact_store": f"s3://{s3_bucket}/runs",
            "data_store": f"s3://{s3_bucket}/data",
            "study_storage": postgres_database,
            "mlflow": {**trial["mlflow"], "tracking_uri": mlflow},
        }
        trial["kubernetes"]["variables"]["AWS_ENDPOINT_URL"] = s3_endpoint
        (environments / "trial.yaml").write_text(yaml.safe_dump(trial))
        namespace = Namespace(
            name="ml-training",
            secrets={
                "trainer-s3": {"access_key_id": "test-key", "secret_access_key": "test-secret"},
                "trainer-studies": {"username": USER, "password": PASSWORD},
            },
            config_maps={"training-cost-rates": {"gpu_hour": "0.25", "cpu_core_hour": "0.05"}},
            service_accounts=("default", "trainer"),
        )
        with Cluster(
            Spec(nodes=(Node(),), namespaces=(namespace,), images={IMAGE: Image()}, token="kept-secret")
        ) as cluster:
            aws = {"endpoint_url": s3_endpoint, "region_name": "us-east-1"}
            checkout.variables |= {
                "PIPELINES_ENVIRONMENT": "trial",
                "ENVIRONMENTS_FOLDER": str(environments),
                "AIRFLOW_CONN_KUBERNETES_DEFAULT": cluster.connection_json(),
                "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({
                    "conn_type": "aws",
                    "login": "test-key",
                    "password": "test-secret",
                    "extra": aws,
                }),
            }
            checkout.pipeline(
                "churn",
                schedule=None,
                behaviour=[],
                **{**QUICK, "tuning": {**QUICK["tuning"], "trials": 6, "workers": 2}},
            )
            yield Deployment(checkout, cluster, s3_bucket)
