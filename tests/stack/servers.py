"""The servers of docker-compose.yaml on loopback: PostgreSQL, Redis, an S3 store, mail, MLflow, and Airflow's four."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

import psutil
import psycopg2
import yaml

from tests.mailbox import Mailbox
from tests.postgres import PASSWORD, USER, Postgres
from tests.server import wait_for
from tests.stack.airflow_api import AirflowApi
from tests.stack.compose import LOOPBACK, Compose
from tests.world import PROJECT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from polars import DataFrame

AIRFLOW = ("airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer")
BUCKET = "training"
PARTS = {"metadatabase": AIRFLOW[0], "dag_processor": AIRFLOW[1], "scheduler": AIRFLOW[2], "triggerer": AIRFLOW[3]}
SECONDS_TO_END = 60
PATIENCE_SECONDS = 400
BETWEEN_LOOKS = 1.0
"""Seconds; each look costs the API server and its database some work."""
SOON = {
    # What takes minutes after a crash, in seconds; on a busy machine, less has tasks started again that run.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # How often dags/ is read: a test adds a pipeline.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    # Where a container listens on all addresses.
    "AIRFLOW__API__HOST": LOOPBACK,
}


class Stack:
    """All servers, each a process of its own; `restart` ends one and starts it again."""

    def __init__(self, home: Path, postgres: Postgres) -> None:
        self.home, self.postgres = home, postgres
        self.compose = Compose.create(home, postgres.port)
        self.mailbox = Mailbox(self.port("mail"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def port(self, service: str) -> int:
        """Return the port of a service on loopback."""
        return self.compose.ports[service]

    @cached_property
    def airflow(self) -> AirflowApi:
        """A client of Airflow's REST API, as its first user."""
        return AirflowApi(self._address("airflow-api-server"), "admin", self.compose.secrets["AIRFLOW_ADMIN_PASSWORD"])

    @property
    def mlflow(self) -> MlflowClient:
        """A client of MLflow's server."""
        from mlflow import MlflowClient

        return MlflowClient(self._address("mlflow"))

    @property
    def data(self) -> Path:
        """The folder `.data` of the containers."""
        return self.home / "airflow" / ".data"

    def log(self, service: str) -> Path:
        """Return the file with a service's output."""
        return self.home / f"{service}.log"

    def start_all(self, pipelines: list[dict[str, Any]]) -> None:
        """Start everything in the order of docker-compose.yaml, with DAGs of these pipelines."""
        self._write_configuration(pipelines)
        self._create_databases()
        self._start("redis", variables=self._redis_variables())
        self._start("s3", [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port("s3"))])
        self._wait("s3", "/moto-api/data.json")
        self.run_once("dashboards-views-drop")
        migrations = [self._start(name) for name in ("mlflow-migrate", "studies-init", "airflow-init", "s3-bucket")]
        for process in migrations:
            assert process.wait(300) == 0, self._all_logs()
        self.run_once("dashboards-views")
        for name in ("mlflow", *AIRFLOW[:2]):
            self._start(name)
        self.wait_for_mlflow()
        self._wait("airflow-api-server", "/api/v2/version")
        for name in AIRFLOW[2:]:
            self._start(name)
        self.wait_for_airflow()

    def add_pipeline(self, document: dict[str, Any]) -> None:
        """Write a pipeline, whose DAG appears when Airflow reads its files again."""
        (self.home / "pipelines" / f"{document['name']}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    @contextlib.contextmanager
    def changed_pipeline(self, document: dict[str, Any]) -> Iterator[None]:
        """Change a pipeline, and the copy that its only run has frozen, while the block lasts.

        A task reads its DAG when it starts, so nothing has to wait for Airflow's DAG processor.
        """
        [key] = [name for name in self.names(f"runs/{document['name']}/") if name.endswith("/pipeline.yaml")]
        file, frozen = self.home / "pipelines" / f"{document['name']}.yaml", self.read(key)
        before, changed = file.read_text(), yaml.safe_load(frozen) | {"approval": document["approval"]}
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=yaml.safe_dump(changed, sort_keys=False).encode())
        self.add_pipeline(document)
        yield
        file.write_text(before)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=frozen)

    def run_once(self, service: str) -> str:
        """Run a service that ends by itself; returns its output."""
        assert self._start(service).wait(300) == 0, self.log(service).read_text()
        return self.log(service).read_text()

    def stop(self, service: str) -> None:
        """End a server as Docker does: by SIGTERM, and after a while by SIGKILL for all that is left."""
        process = self._processes.pop(service)
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)
        kill(family)

    def kill(self, service: str) -> None:
        """End a server and its children at once, as a machine that is lost does."""
        process = self._processes.pop(service)
        kill([*psutil.Process(process.pid).children(recursive=True), process])

    def start(self, service: str) -> None:
        """Start a server that was stopped; returns while it starts."""
        self._start(service)

    def wait_for_mlflow(self) -> None:
        """Wait until MLflow answers."""
        self._wait("mlflow", "/health")

    def wait_for_airflow(self) -> None:
        """Wait until Airflow's API reports all its parts as healthy."""
        for part, service in PARTS.items():
            self.wait_until(partial(self._is_healthy, part), f"{part} to be healthy", service)

    def wait_until(self, condition: Callable[[], Any], what: str, service: str = "airflow-scheduler") -> Any:
        """Wait for a condition, and return what it returned; a failure shows the end of a service's log."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}; {self.log(service).read_text()[-5000:]}"
            time.sleep(BETWEEN_LOOKS)
        return found

    def close(self) -> None:
        """End all servers at once."""
        for service in [*self._processes]:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.kill(service)

    def seed(self, table: DataFrame) -> None:
        """Load a published file into the table `customers`, as `make seed` does."""
        file = self.data / "telco_churn" / "Telco-Customer-Churn.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        table.write_csv(file)
        assert f"customers: {table.height:,} rows from file://" in self.run_once("seed")

    def wait_for_question(self, dag: str, run: str, task: str, before: int = 0) -> None:
        """Wait until a task waits for an answer, and the scheduler knows it.

        Airflow 3.3.2 fails a task that is answered before the scheduler has heard that its first process has ended.

        :param before: what `processes_ended` gave before the question was asked
        """
        waits = "awaiting_input"
        self.wait_until(lambda: self.airflow.tasks(dag, run).get(task, {}).get("state") == waits, f"{task} to ask")
        self.wait_until(lambda: self.processes_ended(run, task) > before, f"the scheduler to know that {task} asks")

    def processes_ended(self, run: str, task: str) -> int:
        """Return how many processes of a task the scheduler knows to have ended."""
        ended, key = "Received executor event with state success", f"task_id='{task}', run_id='{run}'"
        lines = self.log("airflow-scheduler").read_text().splitlines()
        return sum(ended in line and key in line for line in lines)

    def mail(self, subject: str) -> Any:
        """Return the newest mail with these words in its subject, once there is one.

        Airflow's DAG processor mails failures some seconds after the run.
        """

        def found() -> list[Any]:
            return [mail for mail in self.mailbox.messages if subject in mail["Subject"]]

        return self.wait_until(found, f"a mail about {subject!r}", AIRFLOW[1])[-1]

    def wait_for_run(self, dag: str, run: str) -> None:
        """Wait until a run has ended."""

        def has_ended() -> bool:
            return any(found["dag_run_id"] == run and found["end_date"] for found in self.airflow.runs(dag))

        self.wait_until(has_ended, f"the end of {run}")

    def query(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows that dashboards get for a statement."""
        return self.table(database, statement)[1]

    def table(self, database: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns and the rows that dashboards get for a statement."""
        login = {"user": "dashboards", "password": self.compose.secrets["DASHBOARDS_DB_PASSWORD"], "dbname": database}
        connection = psycopg2.connect(host=LOOPBACK, port=self.port("postgres"), **login)
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return [column.name for column in cursor.description or ()], list(cursor.fetchall())

    @cached_property
    def s3(self) -> Any:
        """A client of the S3 store."""
        import boto3

        login = self.compose.environment("s3-bucket")
        return boto3.client(
            "s3", endpoint_url=self._address("s3"), region_name="us-east-1",
            aws_access_key_id=login["AWS_ACCESS_KEY_ID"], aws_secret_access_key=login["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the objects in the stack's bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """Return an object's content."""
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read())

    def runs(self, experiment: str) -> list[Any]:
        """Return MLflow's runs of an experiment."""
        found = self.mlflow.get_experiment_by_name(experiment)
        return list(self.mlflow.search_runs([found.experiment_id])) if found else []

    def _address(self, service: str) -> str:
        return f"http://{LOOPBACK}:{self.port(service)}"

    def _is_healthy(self, part: str) -> bool:
        with contextlib.suppress(OSError):
            health = self.airflow.ask("GET", "/monitor/health", login=False)
            return bool(health[part]["status"] == "healthy")
        return False

    def _wait(self, service: str, path: str) -> None:
        wait_for(partial(_answers, f"{self._address(service)}{path}"), self._processes[service], self.log(service))

    def environment(self, service: str) -> dict[str, str]:
        """Return the variables of a service."""
        environment = self.compose.environment(service)
        if service in AIRFLOW:
            environment |= {**SOON, **self._configuration}
            environment["AIRFLOW__API__PORT"] = str(self.port("airflow-api-server"))
        return environment

    def _start(
        self, service: str, command: list[str] | None = None, variables: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        environment = {**self.environment(service), **(variables or {})}
        words = command or self.compose.command(service)
        if service in AIRFLOW:
            words = ["airflow", *words]
        with self.log(service).open("ab") as log:
            process = subprocess.Popen(
                words,
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[service] = process
        return process

    def _write_configuration(self, pipelines: list[dict[str, Any]]) -> None:
        """Write the pipelines, and the environment `compose` with addresses of this machine."""
        environments, folder = self.home / "environments", self.home / "pipelines"
        shutil.copytree(PROJECT / "include" / "environments", environments)
        own = environments / "compose.yaml"
        own.write_text(f"{self.compose.local(own.read_text())}retry_delay_seconds: 2\n")
        folder.mkdir()
        for document in pipelines:
            self.add_pipeline(document)
        self._configuration = {
            "ENVIRONMENTS_FOLDER": str(environments),
            "PIPELINES_FOLDER": str(folder),
            "PIPELINES_HOME": str(self.home / "airflow"),
        }

    def _create_databases(self) -> None:
        """Run the SQL that PostgreSQL's image runs, as it runs it."""
        login = {"PGHOST": LOOPBACK, "PGPORT": str(self.port("postgres")), "PGUSER": USER, "PGPASSWORD": PASSWORD}
        script = PROJECT / "include/stack/sql/databases.sql"
        command = ["psql", "--no-psqlrc", "--dbname=postgres", f"--file={script}"]
        environment = {**self.compose.environment("postgres"), **login}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _redis_variables(self) -> dict[str, str]:
        data = self.home / "redis"
        data.mkdir()
        return {"DATA": str(data), "CONFIGURATION": str(data / "redis.conf"), "PORT": str(self.port("redis"))}

    def _all_logs(self) -> str:
        return "\n".join(f"{file.name}: {file.read_text()[-3000:]}" for file in sorted(self.home.glob("*.log")))


def kill(processes: list[subprocess.Popen[bytes] | psutil.Process]) -> None:
    """Kill processes, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.kill()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(SECONDS_TO_END)


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), build_opener(ProxyHandler({})).open(address, timeout=10) as response:
        return bool(response.status == 200)
    return False


@contextlib.contextmanager
def run_stack(pipelines: list[dict[str, Any]]) -> Iterator[Stack]:
    """All servers, with DAGs of these pipelines; they end with the block."""
    with tempfile.TemporaryDirectory(prefix="stack-") as folder, Postgres.running() as server:
        stack = Stack(Path(folder), server)
        with stack.mailbox:
            try:
                stack.start_all(pipelines)
                yield stack
            finally:
                stack.close()
