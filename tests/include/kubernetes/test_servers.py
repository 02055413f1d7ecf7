"""What the pods of the overlay `development` are given, run on the real servers as plain processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2
import pytest

from include.cluster.causes import advice_of_log
from tests.include.kubernetes.rendering import FOLDER, Object, pod_specs, settings
from tests.postgres import Postgres
from tests.server import PATIENCE_SECONDS, free_port, wait_for
from tests.stack.databases import psql

PASSWORDS = {"mlflow": "pw-of-mlflow", "studies": "pw-of-studies"}
UNKNOWN = "0123456789ab"


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[Postgres]:
    """A server with the databases of the overlay."""
    variables = {f"{role.upper()}_DB_PASSWORD": password for role, password in PASSWORDS.items()}
    script = str(FOLDER / "overlays/development/databases.sql")
    done = psql(postgres, "--dbname", "postgres", "--file", script, **variables)
    assert done.returncode == 0, done.stderr
    yield postgres
    postgres.execute("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC")
    for role in PASSWORDS:
        postgres.execute(f"DROP DATABASE {role} WITH (FORCE)")
        postgres.execute(f"DROP ROLE {role}")


def command_of(container: Object, **changes: str) -> list[str]:
    """The container's command, with this test's Python and other options."""
    arguments = [part for part in container["args"] if part.partition("=")[0] not in changes]
    return [
        str(Path(sys.executable).with_name(arguments[0])),
        *arguments[1:],
        *(f"{k}={v}" for k, v in changes.items()),
    ]


def variables_of(container: Object, postgres: Postgres, **changes: str) -> dict[str, str]:
    """The container's variables: the settings as they are, apart from where the database listens."""
    own = {one["name"]: one.get("value", PASSWORDS["mlflow"]) for one in container.get("env", [])}
    here = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PATH": os.environ["PATH"], "HOME": "/tmp"}
    return {**settings("development"), **own, **here, **changes}


def containers() -> tuple[Object, Object]:
    spec = pod_specs("development")["Deployment mlflow/mlflow"]
    return spec["initContainers"][0], spec["containers"][0]


def migrate(postgres: Postgres) -> subprocess.CompletedProcess[str]:
    container, _ = containers()
    return subprocess.run(
        command_of(container), env=variables_of(container, postgres), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def mlflow(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that was migrated and started as the pod does it."""
    done = migrate(database)
    assert done.returncode == 0, done.stderr
    _, container = containers()
    port, log = free_port(), tmp_path_factory.mktemp("mlflow") / "log"
    command = command_of(container, **{"--port": str(port), "--host": "127.0.0.1"})
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables_of(container, database), stdout=output, stderr=output, start_new_session=True
        )
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), process, log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def answers(address: str, host: str = "") -> bytes:
    """What a server answers, by a name; empty if it does not."""
    try:
        with urlopen(Request(address, headers={"Host": host} if host else {}), timeout=30) as response:
            return bytes(response.read())
    except HTTPError:
        raise
    except OSError:
        return b""


def test_mlflow_keeps_artifacts_where_the_settings_say(mlflow: str) -> None:
    found = json.loads(answers(f"{mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0"))
    assert found["experiment"]["artifact_location"] == "s3://training/mlflow/0"


@pytest.mark.parametrize("host", ["mlflow:5000", "mlflow.mlflow.svc.cluster.local:5000", "localhost:5000"])
def test_mlflow_answers_by_the_names_of_its_service(mlflow: str, host: str) -> None:
    assert answers(f"{mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0", host)


@pytest.mark.parametrize(
    "host", ["attacker.example.com", "mlflow.example.com:5000", "mlflow.mlflow.svc.example.com:5000"]
)
def test_mlflow_does_not_answer_by_other_names(mlflow: str, host: str) -> None:
    with pytest.raises(HTTPError, match="403"):
        answers(f"{mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0", host)


def test_a_database_of_this_version_needs_no_migration(mlflow: str, database: Postgres) -> None:
    before = database.execute("SELECT version_num FROM alembic_version", "mlflow")
    assert migrate(database).returncode == 0
    assert database.execute("SELECT version_num FROM alembic_version", "mlflow") == before


def test_a_database_of_a_newer_version(mlflow: str, database: Postgres) -> None:
    [(version,)] = database.execute("SELECT version_num FROM alembic_version", "mlflow")
    database.execute(f"UPDATE alembic_version SET version_num = '{UNKNOWN}'", "mlflow")  # noqa: S608
    try:
        done = migrate(database)
    finally:
        database.execute(f"UPDATE alembic_version SET version_num = '{version}'", "mlflow")  # noqa: S608
    assert done.returncode != 0
    assert str(advice_of_log(done.stdout + done.stderr)).startswith("the database was migrated by a newer MLflow")


def test_a_password_that_is_wrong_is_found_while_the_migration_still_tries(database: Postgres, tmp_path: Path) -> None:
    container, _ = containers()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_of(container),
            env=variables_of(container, database, PGPASSWORD="other"),
            stdout=output,
            stderr=output,
        )
    wait_for(lambda: advice_of_log(log.read_text()), process, log)
    process.kill()
    process.wait(PATIENCE_SECONDS)
    assert str(advice_of_log(log.read_text())).startswith("the password in its Secret is not the one")


@pytest.mark.parametrize("role", PASSWORDS)
def test_a_role_sees_no_database_but_its_own(database: Postgres, role: str) -> None:
    for other in ("mlflow", "studies", "postgres", "template1"):
        login = {"host": "127.0.0.1", "port": database.port, "user": role, "password": PASSWORDS[role], "dbname": other}
        if other == role:
            psycopg2.connect(**login).close()
        else:
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                psycopg2.connect(**login)
