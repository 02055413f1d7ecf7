"""What many tests need: an environment of their own, pipelines, and real servers on loopback."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.mailbox import Mailbox
from tests.postgres import postgres, postgres_database, warehouse  # noqa: F401  (fixtures)
from tests.redis_server import redis_server, running_redis  # noqa: F401  (fixtures)
from tests.server import free_port
from tests.shared import built_once, copy_airflow, empty_mlflow_store, migrated_airflow  # noqa: F401  (fixtures)
from tests.warm import warm  # noqa: F401  (a fixture)
from tests.web_server import web_file  # noqa: F401  (a fixture)
from tests.world import PROJECT, QUICK, churn_document, small_sample
from trainer.environment import THREAD_LIMITS, Environment, variable_name
from trainer.pipeline import Pipeline, pipeline_of


def _set_environment() -> Path:
    """Give this process one thread per library and a temporary AIRFLOW_HOME, before anything reads the variables."""
    home = Path(tempfile.mkdtemp(prefix="airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "PIPELINES_", "TRAINER_"))]:
        del os.environ[name]
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))  # the libraries read them when they are imported
    os.environ["SSL_CERT_FILE"] = _one_certificate(home)
    os.environ.update({
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PIPELINES_ENVIRONMENT": "development",
        "PIPELINES_HOME": str(home / "pipelines"),
    })  # fmt: skip
    return home


def _one_certificate(home: Path) -> str:
    """Return a file with one public authority's certificate.

    A client of Kubernetes reads all that the system trusts at each call, which takes longer than the call.
    """
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    file = home / "certificate.pem"
    file.write_text(first + end)
    return str(file)


def _keep_to_one_core() -> None:
    """Keep a worker, and all that it starts, to one core; a further worker shares it.

    Two workers whose libraries each start a thread per core would spend most of their time waiting for each other.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker and hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[int(worker) % len(allowed)]})


gc.set_threshold(50_000, 20, 20)  # what is imported stays: looking through it again and again costs seconds
_keep_to_one_core()
AIRFLOW_HOME = _set_environment()


@pytest.fixture(scope="session")
def airflow_home(migrated_airflow: Path) -> Path:  # noqa: F811  (the fixture)
    """This process's AIRFLOW_HOME, its database (`airflow.db`) migrated."""
    copy_airflow(migrated_airflow, AIRFLOW_HOME)
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of this checkout."""
    return PROJECT


@dataclass(frozen=True)
class Surroundings:
    """Where a test's environment variables point."""

    home: Path
    tracking_uri: str

    @property
    def runs(self) -> Path:
        return self.home / "runs"


@pytest.fixture
def surroundings(
    tmp_path: Path,
    empty_mlflow_store: Path,  # noqa: F811  (the fixture)
    monkeypatch: pytest.MonkeyPatch,
) -> Surroundings:
    """A step's environment in a folder of the test's own, with an MLflow store on SQLite; samples are allowed."""
    shutil.copy(empty_mlflow_store, tmp_path / "mlflow.db")
    tracking_uri = f"sqlite:///{tmp_path}/mlflow.db"
    variables = {
        "tracking_uri": tracking_uri,
        "artifact_location": f"file://{tmp_path}/artifacts",
        "study_storage": f"journal://{tmp_path}/studies",
        "data_store": f"file://{tmp_path}/data",
        "samples": "true",
    }
    for field in Environment.model_fields:
        monkeypatch.delenv(variable_name(field), raising=False)
    for field, value in variables.items():
        monkeypatch.setenv(variable_name(field), value)
    return Surroundings(tmp_path, tracking_uri)


@pytest.fixture
def churn() -> Pipeline:
    """The churn pipeline as it ships, without what follows a promotion."""
    return pipeline_of(churn_document())


def changed(pipeline: Pipeline, **sections: Any) -> Pipeline:
    """A pipeline with other sections, validated again."""
    return pipeline_of({**pipeline.model_dump(mode="json"), **sections})


@pytest.fixture
def small_churn(churn: Pipeline) -> Pipeline:
    """The churn pipeline on a small sample, with one quick algorithm and no search."""
    return changed(
        churn, **{**QUICK, "source": small_sample(), "tuning": {**QUICK["tuning"], "trials": 3}, "behaviour": []}
    )


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server (moto's) on loopback."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fresh_stores() -> Iterator[None]:
    """Airflow keeps a connection's file system for the life of the process: none from another test, none to another."""
    from airflow.sdk.io import store

    store._STORE_CACHE.clear()
    yield
    store._STORE_CACHE.clear()


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket, and the credentials to reach it in the environment."""
    import boto3
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    bucket = f"runs-{uuid.uuid4().hex}"
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server; `messages` is what it got."""
    with Mailbox() as box:
        yield box
