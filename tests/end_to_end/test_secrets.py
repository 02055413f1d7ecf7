"""Planted secrets are found in no log, XCom, run folder, mail, MLflow record, study, feature store or error text."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

from tests.redis_server import PASSWORD as REDIS_PASSWORD
from tests.redis_server import USER as REDIS_USER
from tests.redis_server import RedisServer
from tests.server import free_port, wait_for
from tests.world import QUICK, churn_document
from trainer.feature_store.store import FeatureStore
from trainer.sources.samples.telco import generate_telco

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),  # aiosmtpd, of a server on loopback
]

AWS_KEY, AWS_SECRET = "AKIAPLANTEDPLANTED01", "planted/aws+SECRET-0123456789"
SMTP_PASSWORD, MLFLOW_PASSWORD, DATABASE_PASSWORD = "planted-smtp-pass", "planted-mlflow-p@ss", "planted-db-pass"
PLANTED = (
    AWS_KEY, AWS_SECRET, SMTP_PASSWORD, MLFLOW_PASSWORD, "planted-mlflow-p%40ss", DATABASE_PASSWORD, REDIS_PASSWORD,
)  # fmt: skip
BUCKET = "planted"
ROWS = 1200


@pytest.fixture
def mlflow_server(checkout: Checkout, empty_mlflow_store: Path) -> Iterator[str]:
    """A real MLflow server below a path, as behind an ingress, which passes the artifacts on."""
    store = checkout.home / "server.db"
    store.write_bytes(empty_mlflow_store.read_bytes())
    port = str(free_port())
    address = f"http://127.0.0.1:{port}/mlflow"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--static-prefix", "/mlflow",
        "--backend-store-uri", f"sqlite:///{store}", "--artifacts-destination", f"file://{checkout.home}/served",
        "--workers", "1",
    ]  # fmt: skip
    output = checkout.home / "mlflow.log"  # its own: in the run's, each would write over what the other has written
    with output.open("w") as log:
        server = subprocess.Popen(
            command, env={**checkout.environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, cwd=checkout.home,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: _answers(f"{address}/health"), server, output)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def mail_server() -> Iterator[Any]:
    """A real SMTP server that takes mails from who knows the password."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    class Keeper:
        def __init__(self) -> None:
            self.contents: list[bytes] = []

        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
            self.contents.append(envelope.content)
            return "250 OK"

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == SMTP_PASSWORD.encode())

    keeper = Keeper()
    controller = Controller(
        keeper, hostname="127.0.0.1", port=free_port(), authenticator=authenticate, auth_required=True,
        auth_require_tls=False,
    )  # fmt: skip
    controller.start()
    keeper.port = controller.port  # type: ignore[attr-defined]
    yield keeper
    controller.stop()


@pytest.fixture
def store(s3_endpoint: str) -> Any:
    """A bucket with the data, reached with the planted key."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3_endpoint, aws_access_key_id=AWS_KEY, aws_secret_access_key=AWS_SECRET,
        region_name="us-east-1",
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    rows = generate_telco(rows=ROWS).frame.write_csv()
    client.put_object(Bucket=BUCKET, Key="data/telco.csv", Body=rows.encode())
    return client


def plant(checkout: Checkout, s3_endpoint: str, mail_server: Any, tracking_uri: str, redis: RedisServer) -> None:
    """An environment whose every secret is planted, in Airflow's connections alone."""
    folder = checkout.home / "environments"
    folder.mkdir(exist_ok=True)
    shipped = Path(__file__).resolve().parents[2] / "include" / "environments"
    (folder / "default.yaml").write_text((shipped / "default.yaml").read_text())
    (folder / "planted.yaml").write_text(yaml.safe_dump({
        "artifact_store": f"s3://{BUCKET}/runs", "data_store": f"s3://{BUCKET}/data", "samples": False, "retries": 0,
        "mlflow": {"tracking_uri": tracking_uri, "artifact_location": "", "connection": "mlflow_default"},
        "aws_connection": "aws_default", "alerts": {"outbox": None},
        "feature_store": {"address": redis.address, "connection": "redis_features", "hours": 24},
    }))  # fmt: skip
    plain = {"disable_ssl": True, "disable_tls": True, "retry_limit": 0}
    aws_extra = {"endpoint_url": s3_endpoint, "region_name": "us-east-1"}
    connections = {
        "AWS_DEFAULT": {"conn_type": "aws", "login": AWS_KEY, "password": AWS_SECRET, "extra": aws_extra},
        "SMTP_DEFAULT": {
            "conn_type": "smtp", "host": "127.0.0.1", "port": mail_server.port, "login": "pipelines",
            "password": SMTP_PASSWORD, "extra": plain,
        },
        "MLFLOW_DEFAULT": {"conn_type": "http", "login": "trainer", "password": MLFLOW_PASSWORD},
        "REDIS_FEATURES": {"conn_type": "redis", "login": REDIS_USER, "password": REDIS_PASSWORD},
        "STUDIES": {
            "conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "trainer", "schema": "studies",
            "password": DATABASE_PASSWORD,
        },
    }  # fmt: skip
    checkout.variables |= {
        "ENVIRONMENTS_FOLDER": str(folder), "PIPELINES_ENVIRONMENT": "planted", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        **{f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in connections.items()},
    }  # fmt: skip


def quick_pipeline(checkout: Checkout, name: str, uri: str) -> None:
    source = {**churn_document()["source"], "uri": uri}
    checkout.pipeline(name, **{**QUICK, "source": source})


def places(checkout: Checkout, store: Any, mail_server: Any) -> dict[str, bytes]:
    """Everything that a run has written, by where it is."""
    ours = {"environments", "pipelines"}
    found = {
        str(file): file.read_bytes()
        for file in checkout.home.rglob("*")
        if file.is_file() and not file.is_symlink() and file.relative_to(checkout.home).parts[0] not in ours
    }
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            found[f"s3 {entry['Key']}"] = store.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
    return found | {f"mail {number}": mail for number, mail in enumerate(mail_server.contents)}


def leaks(found: dict[str, bytes]) -> list[tuple[str, str]]:
    return [(place, secret) for place, content in found.items() for secret in PLANTED if secret.encode() in content]


def test_a_leak_would_be_found() -> None:
    assert leaks({"a log": f"signed with {AWS_SECRET}".encode()}) == [("a log", AWS_SECRET)]


def xcoms(checkout: Checkout) -> int:
    with sqlite3.connect(checkout.home / ".airflow" / "airflow.db") as database:
        return int(database.execute("select count(*) from xcom").fetchone()[0])


def test_planted_secrets_are_found_nowhere(
    checkout: Checkout, store: Any, s3_endpoint: str, mail_server: Any, mlflow_server: str, redis_server: RedisServer
) -> None:
    plant(checkout, s3_endpoint, mail_server, mlflow_server, redis_server)
    quick_pipeline(checkout, "good", "telco.csv")
    assert checkout.run("good") == 0, checkout.log.read_text()[-4000:]
    log = checkout.log.read_text()
    features = FeatureStore.published(redis_server.client(), "good")
    assert f"features of {ROWS} ids, version {features.version}" in log
    customers = generate_telco(rows=ROWS).frame
    found = features.get_many(customers["customerID"])
    assert (found.unknown, found.rows["tenure"].to_list()) == ([], customers["tenure"].cast(int).to_list())

    plant(checkout, s3_endpoint, mail_server, f"http://127.0.0.1:{free_port()}", redis_server)  # MLflow is away
    assert checkout.run("good") == 1
    log += checkout.log.read_text()

    written = places(checkout, store, mail_server)
    assert [
        kind for kind in ("pipeline.yaml", "failure.json", "summary.json") if not any(kind in name for name in written)
    ] == []
    assert len(mail_server.contents) == 2
    assert xcoms(checkout) > 5
    assert any("server.db" in name for name in written)
    assert any("/served/" in name for name in written)
    assert leaks({**written, "output": log.encode()}) == []


def test_addresses_that_hold_passwords_are_named_without_them(
    checkout: Checkout, store: Any, s3_endpoint: str, mail_server: Any, mlflow_server: str
) -> None:
    """Those that a person gives to steps by hand: of MLflow, at work and away, and of a database that is away.

    So is the address of data that is not there.
    """
    quick_pipeline(checkout, "byhand", "telco.csv")
    quick_pipeline(checkout, "absent", "absent.csv")
    login = f"http://trainer:{quote(MLFLOW_PASSWORD)}@"
    variables = {
        "TRAINER_STUDY_STORAGE": f"postgresql://trainer:{DATABASE_PASSWORD}@127.0.0.1:1/studies",
        "TRAINER_DATA_STORE": f"s3://{BUCKET}/data", "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": AWS_KEY, "AWS_SECRET_ACCESS_KEY": AWS_SECRET, "TRAINER_LOG_FORMAT": "json",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }  # fmt: skip
    output = ""
    nobody = f"http://127.0.0.1:{free_port()}"
    for name, address, failed, code in (
        ("byhand", mlflow_server, "tune/logistic", 1), ("byhand", nobody, "start", 1), ("absent", mlflow_server, "start", 3),
    ):  # fmt: skip
        run = checkout.home / "runs" / name / failed.partition("/")[0]
        command = ["-m", "trainer", "train", "--config", f"{checkout.home}/pipelines/{name}.yaml", "--run", str(run)]
        environment = {**checkout.environment, **variables, "MLFLOW_TRACKING_URI": address.replace("http://", login)}
        done = checkout.warm.run(command, environment, checkout.home)
        assert done.returncode == code
        assert (run / failed / "failure.json").exists(), done.stdout
        assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
        output += done.stdout
    found = places(checkout, store, mail_server)
    assert any("server.db" in name for name in found)
    assert leaks({**found, "output": output.encode()}) == []
