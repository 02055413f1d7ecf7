"""What the containers of PostgreSQL, Redis and S3 are given, run on the real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from include.stack.env_keys import KEYS
from tests.postgres import Postgres
from tests.server import free_port, wait_for
from tests.stack.databases import DATABASES, LOGINS, PASSWORDS, READ, connected, create_databases, databases, execute
from tests.world import PROJECT

STACK = PROJECT / "include/stack"


@pytest.fixture(scope="module")
def server(postgres: Postgres) -> Iterator[Postgres]:
    """A server with the stack's databases."""
    with databases(postgres) as made:
        yield made


@pytest.mark.parametrize("role", DATABASES)
def test_a_role_owns_its_database(server: Postgres, role: str) -> None:
    execute(server, role, role, "CREATE TABLE own (n int); INSERT INTO own VALUES (1)")
    assert execute(server, role, role, "SELECT n FROM own") == [(1,)]
    execute(server, role, role, "DROP TABLE own")


@pytest.mark.parametrize(
    ("role", "database"),
    [(role, other) for role in LOGINS for other in (*DATABASES, "postgres", "template1") if role != other
     and not (role == "dashboards" and other in READ)],
)  # fmt: skip
def test_a_role_does_not_get_into_another_database(server: Postgres, role: str, database: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        execute(server, role, database, "SELECT 1")


@pytest.mark.parametrize("role", LOGINS)
def test_no_role_is_more_than_a_user(server: Postgres, role: str) -> None:
    rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    [found] = server.execute(f"SELECT {rights} FROM pg_roles WHERE rolname = '{role}'")  # noqa: S608
    assert not any(found)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE own (n int)",
        "CREATE TABLE public.own (n int)",
        "CREATE SCHEMA own",
        "CREATE TEMPORARY TABLE own (n int)",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SET ROLE reporting",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
@pytest.mark.parametrize("database", READ)
def test_dashboards_cannot_store_or_see_what_is_not_theirs(server: Postgres, database: str, statement: str) -> None:
    anyway = f"SET default_transaction_read_only = off; {statement}"
    for attempt in (statement, anyway):
        refusals = (
            psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction, psycopg2.errors.InvalidSchemaName,
        )  # fmt: skip
        with pytest.raises(refusals):
            execute(server, "dashboards", database, attempt)


def test_nobody_logs_in_as_the_owner_of_the_views(server: Postgres) -> None:
    assert server.execute("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'reporting'") == [(False, False)]


def test_without_a_password_nothing_is_created(postgres: Postgres) -> None:
    before = postgres.execute("SELECT count(*) FROM pg_roles")
    done = create_databases(postgres)
    assert done.returncode == 3
    assert "syntax error" in done.stderr
    assert postgres.execute("SELECT count(*) FROM pg_roles") == before


def test_a_volume_of_an_earlier_version_is_brought_up_to_date(server: Postgres) -> None:
    """Run again, the script adds what is missing and sets the passwords, none of which gets into the server's log."""
    server.execute("DROP DATABASE churn")
    server.execute("DROP ROLE reporting")
    again = {name: f"new-{password}" for name, password in PASSWORDS.items()}
    try:
        assert create_databases(server, **again).returncode == 0
        with connected(server, "churn", "churn", "new-pw-of-churn"), pytest.raises(psycopg2.OperationalError):
            execute(server, "churn", "churn", "SELECT 1")
        assert server.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'reporting'") == [(1,)]
    finally:
        assert create_databases(server, **PASSWORDS).returncode == 0
    assert "pw-of-" not in server.log


def test_the_passwords_are_keys_of_the_environment_file() -> None:
    keys = {key.name for key in KEYS}
    assert {f"{role.upper()}_DB_PASSWORD" for role in LOGINS} <= keys


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis that the stack's script started."""
    if shutil.which("redis-server") is None:
        pytest.skip("there is no Redis: `redis-server` is not on PATH")
    port, log = free_port(), tmp_path / "log"
    variables = {"REDISCLI_AUTH": "pw-of-redis", "DATA": str(tmp_path), "CONFIGURATION": str(tmp_path / "redis.conf")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["sh", STACK / "redis.sh"], env={"PATH": os.environ["PATH"], "PORT": str(port), **variables},
            stdout=output, stderr=output,
        )  # fmt: skip
    wait_for(lambda: b"Ready to accept connections" in log.read_bytes(), process, log)
    assert b"pw-of-redis" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    yield port
    process.terminate()
    assert process.wait(30) == 0


def test_redis_asks_for_its_password(redis_port: int) -> None:
    with redis.Redis(port=redis_port, username="default", password="pw-of-redis") as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with redis.Redis(port=redis_port) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def create_bucket(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script as MLflow's image runs it, where `include` is not importable."""
    return subprocess.run(
        [sys.executable, STACK / "create_bucket.py", name], env={**os.environ, **variables}, cwd="/", capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_a_bucket_is_created_once(s3_bucket: str) -> None:
    for _ in range(2):
        done = create_bucket("training")
        assert (done.returncode, done.stdout) == (0, "bucket 'training' is there\n"), done.stderr


def test_a_bucket_that_is_refused(s3_bucket: str) -> None:
    done = create_bucket("NOT/valid")
    assert done.returncode == 1
    assert done.stderr.startswith("bucket 'NOT/valid' could not be created: ")
    assert len(done.stderr.splitlines()) == 1
    done = create_bucket("training", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert done.stderr.startswith("bucket 'training' could not be created: Could not connect")
