"""The databases and roles of docker-compose.yaml on a PostgreSQL server, made by the scripts of include/stack/sql."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import psycopg2
import pytest

from tests.postgres import PASSWORD, USER, Postgres
from tests.world import PROJECT

SQL = PROJECT / "include/stack/sql"
DATABASES = ("airflow", "mlflow", "studies", "churn")
LOGINS = {role: f"pw-of-{role}" for role in (*DATABASES, "dashboards")}
READ = ("airflow", "mlflow", "studies")
PASSWORDS = {f"{role.upper()}_DB_PASSWORD": password for role, password in LOGINS.items()}


def psql(server: Postgres, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The client as PostgreSQL's image calls it."""
    return _run(server, "psql", "--no-psqlrc", "--no-password", "-v", "ON_ERROR_STOP=1", *arguments, **variables)


def create_databases(server: Postgres, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run databases.sql with these passwords."""
    return psql(server, "--dbname", "postgres", "--file", str(SQL / "databases.sql"), **variables)


def run_script(server: Postgres, name: str) -> subprocess.CompletedProcess[str]:
    """Run a script of include/stack/sql as its container does."""
    return _run(server, "sh", str(SQL / name), **PASSWORDS)


def _run(server: Postgres, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
    environment = {"PATH": os.environ["PATH"], **where, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def databases(postgres: Postgres) -> Iterator[Postgres]:
    """Create the databases and roles of the stack, and remove them after the block."""
    if shutil.which("psql") is None:
        pytest.skip("there is no psql")
    done = create_databases(postgres, **PASSWORDS)
    assert done.returncode == 0, done.stderr
    yield postgres
    for database in DATABASES:
        postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")
    postgres.execute("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC")
    for role in (*LOGINS, "reporting"):
        postgres.execute(f"DROP ROLE {role}")


@contextlib.contextmanager
def connected(
    server: Postgres, role: str, database: str, password: str = ""
) -> Iterator[psycopg2.extensions.connection]:
    """A connection of a role over TCP with its password, which commits each statement."""
    login = {"user": role, "password": password or LOGINS[role], "dbname": database}
    connection = psycopg2.connect(host="127.0.0.1", port=server.port, **login)
    connection.autocommit = True
    with contextlib.closing(connection):
        yield connection


def execute(server: Postgres, role: str, database: str, statement: str) -> list[tuple[object, ...]]:
    """What a role gets for a statement."""
    with connected(server, role, database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
