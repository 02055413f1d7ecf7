"""Scored rows in a table of PostgreSQL."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trainer.connections import read_connection
from trainer.errors import ConfigurationError
from trainer.scoring.answers import ID, RUN
from trainer.scoring.published import Published
from trainer.sources.postgres.column_types import quoted
from trainer.sources.postgres.server import answering, conninfo, place_of, server_message
from trainer.sources.postgres.waiting import heard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trainer.pipeline import PostgresOutput

STAGING = "trainer_scored_rows"
"""A temporary table, which ends with the session."""
MAY_PASS = ("40", "53", "55", "57", "58", "08")
"""How the codes begin of refusals that a retry can change: a deadlock, a full disk, a lock, a server that stops."""


def publish_rows(output: PostgresOutput, file: Path, key: str) -> Published:
    """Put the scored rows of a run into the table, in one transaction, in place of the run's own rows there.

    The rows are copied to a temporary table first. The first run creates the table, with the run and the id as primary
    key. A lock on the run's key lets one try at a time do this. Raises ConfigurationError if the server refuses it,
    OutageError if it does not answer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    found = read_connection(output.connection)
    address = f"postgresql://{place_of(found)}/{found.database}/{output.table}"
    table = ".".join(map(quoted, output.table.split(".")))
    with (
        pq.ParquetFile(file) as rows,
        answering(found, address),
        dbapi.connect(conninfo(found)) as session,
        session.cursor() as cursor,
        heard(session.adbc_cancel) as wait,
        _refusing(address, output),
    ):
        names = rows.schema_arrow.names
        batches = pa.RecordBatchReader.from_batches(rows.schema_arrow, rows.iter_batches())
        wait(lambda: cursor.adbc_ingest(STAGING, batches, mode="create", temporary=True))
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (f"{output.table} {key}",))
        cursor.fetchall()
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (LIKE {STAGING}, PRIMARY KEY ({quoted(RUN)}, {quoted(ID)}))"
        )
        _refuse_other_columns(cursor, output.table, table, names, address)
        replaced = _delete_own(cursor, table, key)
        columns = ", ".join(map(quoted, names))
        insert = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {STAGING}"  # noqa: S608  (quoted)
        wait(cursor.execute, insert)
        session.commit()
        return Published(address, int(rows.metadata.num_rows), replaced)


def _delete_own(cursor: Any, table: str, key: str) -> int:
    """Delete the rows of a run; return how many there were."""
    delete = f"DELETE FROM {table} WHERE {quoted(RUN)} = $1 RETURNING 1"  # noqa: S608  (quoted)
    cursor.execute(f"WITH deleted AS ({delete}) SELECT count(*) FROM deleted", (key,))  # noqa: S608  (quoted)
    return int(cursor.fetchone()[0])


def _refuse_other_columns(cursor: Any, name: str, table: str, needed: list[str], address: str) -> None:
    """Raise ConfigurationError if a table that was there before lacks columns."""
    cursor.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608  (quoted)
    present = [column[0] for column in cursor.description]
    cursor.fetchall()
    absent = [column for column in needed if column not in present]
    if absent:
        raise ConfigurationError(
            f"{address}: the table lacks {', '.join(map(repr, absent))}, which scored rows have; add the columns "
            f"(ALTER TABLE {name} ADD COLUMN …), or name another table under `scoring.output.table`. Nothing was "
            "published"
        )


@contextlib.contextmanager
def _refusing(address: str, output: PostgresOutput) -> Iterator[None]:
    import adbc_driver_manager as adbc

    try:
        yield
    except adbc.Error as error:
        if "ERROR:  " not in str(error) or (error.sqlstate or "").startswith(MAY_PASS):
            raise  # the server has not answered, or may take it later
        raise ConfigurationError(
            f"{address}: {server_message(str(error))}; nothing was published. Let the user of the connection "
            f"{output.connection!r} create this table, or read, add and delete rows of it; or name another one under "
            "`scoring.output.table`. The scored rows are kept: clear this task to publish them"
        ) from None
