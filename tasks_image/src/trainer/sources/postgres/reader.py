"""Reading a table or a query of PostgreSQL, a batch of rows at a time."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from trainer.connections import read_connection
from trainer.errors import DataValidationError
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.parquet_reader import blank_to_missing
from trainer.sources.postgres.column_types import check_columns, outside_calendar, plain_columns, quoted
from trainer.sources.postgres.server import answering, conninfo, place_of
from trainer.sources.postgres.waiting import heard
from trainer.sources.reading import Lineage, Reading, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    import pyarrow as pa

    from trainer.pipeline import PostgresSource

logger = logging.getLogger(__name__)

DIGEST_DIGITS = 12
"""Of the digest by which an address tells one query from another."""
TRANSACTION = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL lock_timeout = '60s'",  # whoever is changing the table's columns must not hold a run for hours
    "SET LOCAL synchronize_seqscans = off",  # a table that has not changed gives its rows in the same order
)
"""What is looked up and what is read is of one snapshot of the database, and nothing can be changed."""


def postgres_location(source: PostgresSource) -> str:
    """Return the database's address with the table, or with a digest of the query; without the login."""
    connection = read_connection(source.connection)
    database = f"postgresql://{place_of(connection)}/{quote(connection.database, safe='')}"
    if source.table is not None:
        return f"{database}/{source.table}"
    return f"{database}?query={hashlib.sha256(statement_of(source).encode()).hexdigest()[:DIGEST_DIGITS]}"


def statement_of(source: PostgresSource) -> str:
    """Return the SELECT that is read; of a query, without the semicolon at its end.

    >>> from trainer.pipeline import PostgresSource
    >>> statement_of(PostgresSource(connection="warehouse", table="sales.customers"))
    'SELECT * FROM "sales"."customers"'
    """
    if source.table is not None:
        return f"SELECT * FROM {'.'.join(map(quoted, source.table.split('.')))}"  # noqa: S608  (quoted)
    return str(source.query).strip().rstrip("; \n\t")


@contextlib.contextmanager
def open_postgres(source: PostgresSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of one statement, a consistent snapshot; raises as `open_source` does.

    No database says when a table has last changed: the rows are as they are now.
    """
    import polars as pl

    address, now = postgres_location(source), datetime.now(UTC)
    raw = reading.scratch / "raw.parquet"
    fetch(source, raw, address)
    named = apply_names(blank_to_missing(pl.scan_parquet(raw), source.missing), source.rename, address)
    yield table_of(apply_types(named, source.types, address), Lineage(address, source.KIND, now))


def fetch(source: PostgresSource, raw: Path, address: str) -> None:
    """Write the rows as Parquet, a batch at a time, as they are in the database but for types that no step knows.

    Raises DataValidationError if there are no rows or dates that no step knows, and as `answering` does.
    """
    import pyarrow.parquet as pq

    read, outside, writer = 0, Counter[str](), None
    with contextlib.ExitStack() as opened:
        for batch in opened.enter_context(contextlib.closing(_batches(source, address))):
            writer = writer or opened.enter_context(pq.ParquetWriter(raw, batch.schema))
            writer.write_batch(batch)
            read += batch.num_rows
            outside += outside_calendar(batch)
    if not read:
        what = "the table has no rows" if source.table else "the query gives 0 rows"
        raise DataValidationError(f"{address}: {what}; nothing can be learned from none: mend the data or `source`")
    if outside:
        (name, number), *_ = outside.items()
        raise DataValidationError(
            f"{address}: column {name!r}: {number:,} of {read:,} dates are infinite, or outside of the years 1 to "
            "9999; mend the data, or make them missing in a `source.query` by NULLIF(…, 'infinity')"
        )
    logger.info("%s: %d rows read", address, read)


def _batches(source: PostgresSource, address: str) -> Generator[pa.RecordBatch, None, None]:
    """The rows of the one statement, as they come; raises as `answering` says."""
    from adbc_driver_manager._reader import AdbcRecordBatchReader  # knows the server's code of an error
    from adbc_driver_postgresql import dbapi

    connection = read_connection(source.connection)
    statement = f"{statement_of(source)}\n"  # which ends a comment in its last line
    with (
        answering(connection, address),
        dbapi.connect(conninfo(connection)) as session,
        session.cursor() as cursor,
        heard(session.adbc_cancel) as wait,  # a run that is ended leaves no query behind
    ):
        for setting in TRANSACTION:
            cursor.execute(setting)
        schema = wait(cursor.adbc_execute_schema, statement)
        check_columns(schema, address)
        exact = _exact(source, schema.names)
        wait(cursor.execute, statement)
        stream = cursor.fetch_arrow()
        batches = iter(AdbcRecordBatchReader._import_from_c(stream.address))  # noqa: SLF001  (its only constructor)
        while (batch := wait(next, batches, None)) is not None:
            if batch.num_rows:
                yield plain_columns(batch, exact)


def _exact(source: PostgresSource, columns: list[str]) -> frozenset[str]:
    """The columns of which every digit counts: those declared to be something else than a float."""
    return frozenset(name for name in columns if source.types.get(source.rename.get(name, name), "float") != "float")
