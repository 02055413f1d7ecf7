"""Known causes of a service that does not get ready, found in its log, and what to do about each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.stack.docker import Container

SET_ANEW = (
    "docker compose exec postgres psql --username postgres --file /docker-entrypoint-initdb.d/databases.sql adds what "
    "is missing and sets the passwords of .env; then make up"
)
CAUSES = (
    (
        r"database files are incompatible with server|initialized by PostgreSQL version",
        (
            "the volume postgres-data is from another PostgreSQL version; dump it with that version and load it anew, "
            "or delete everything in the stack with docker compose down --volumes"
        ),
    ),
    (
        r"password authentication failed|WRONGPASS|invalid username-password pair",
        (f"a password in .env is not the one that the volumes were created with; restore that .env, or: {SET_ANEW}"),
    ),
    (
        r'(role|database) "\w+" does not exist',
        (f"the volume postgres-data was created without all of include/stack/sql/databases.sql; {SET_ANEW}"),
    ),
    (
        r"out-of-date database schema",
        "MLflow's database is older than its server; make up migrates it",
    ),
    (
        r"due to lock timeout",
        (
            "a session holds the views that dashboards read; end its transaction (docker compose exec postgres psql "
            "--username postgres --command 'TABLE pg_stat_activity' lists them), then make up"
        ),
    ),
    (
        r"Can't locate revision|not a known revision",
        "the database was migrated by a newer version of this server; use that version's image, or restore a backup",
    ),
    (
        r"bucket '\w+' could not be created",
        "the S3 store refuses the bucket; make logs SERVICE=s3 shows its side",
    ),
    (
        r"No space left on device",
        "the disk is full; free space (docker system df shows what Docker uses)",
    ),
)


def cause_of(container: Container, log: str) -> str:
    """Return one line: the service, how it failed, why, and what to do."""
    service = container.service
    for pattern, advice in CAUSES:
        if re.search(pattern, log):
            return f"{service}: {_failure(container)}: {advice}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = f"its log ends: {lines[-1]}" if lines else "its log is empty"
    return f"{service}: {_failure(container)}: {last}; make logs SERVICE={service} shows more"


def _failure(container: Container) -> str:
    if container.exit_code == 137:  # noqa: PLR2004  (128 + SIGKILL)
        return "killed (exit code 137), perhaps for its mem_limit in docker-compose.yaml"
    if container.exit_code:
        return f"exit code {container.exit_code}"
    return "unhealthy" if container.health == "unhealthy" else f"not healthy in time ({container.state})"
