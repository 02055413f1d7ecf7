"""One process at a time creates MLflow's tables: MLflow looks for them, and creates those that it has not found."""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.addresses import with_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy

TABLES_LOCK = 7_411_909
"""The number of PostgreSQL's lock; any, as long as all processes agree on it."""
HAS_TABLES = "SELECT to_regclass('alembic_version') IS NOT NULL"


@contextlib.contextmanager
def sole_creator(tracking_uri: str) -> Iterator[None]:
    """Wait until no other process creates tables in this store, and keep the others waiting while the block lasts.

    A server creates its tables itself; for another address than that of SQLite or PostgreSQL nothing is locked.
    """
    import sqlalchemy

    if tracking_uri.startswith("sqlite:"):
        database = sqlalchemy.make_url(tracking_uri).database
        with _file_lock(Path(f"{database}.lock")) if database else contextlib.nullcontext():
            yield
    elif tracking_uri.startswith("postgres"):
        with _database_lock(sqlalchemy.make_url(with_driver(tracking_uri))):
            yield
    else:
        yield


@contextlib.contextmanager
def _file_lock(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _database_lock(url: sqlalchemy.URL) -> Iterator[None]:
    """Hold a lock of a transaction, which a connection pooler in between passes on, while there are no tables."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        if not connection.scalar(sqlalchemy.text(HAS_TABLES)):
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK})
        yield
