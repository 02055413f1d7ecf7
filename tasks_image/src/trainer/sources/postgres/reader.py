"""Reading a table or a query of PostgreSQL, a batch of rows at a time."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from trainer.connections import read_connection
from trainer.errors import DataValidationError
from trainer.pipeline import PostgresSource
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.parquet_reader import blank_to_missing
from trainer.sources.postgres.column_types import check_columns, outside_calendar, plain_columns, quoted
from trainer.sources.postgres.server import answering, conninfo, place_of
from trainer.sources.postgres.waiting import heard
from trainer.sources.reader import Lineage, Reader
from trainer.tables.parquet import sink_rows

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

logger = logging.getLogger(__name__)

DIGEST_DIGITS = 12
"""Of the digest by which an address tells one query from another."""
TRANSACTION = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL lock_timeout = '60s'",  # whoever is changing the table's columns must not hold a run for hours
    "SET LOCAL synchronize_seqscans = off",  # a table that has not changed gives its rows in the same order
)
"""What is looked up and what is read is of one snapshot of the database, and nothing can be changed."""


class PostgresReader(PostgresSource, Reader):
    """Reads a table or a query in one statement, and so of one moment, whatever others write meanwhile.

    >>> PostgresReader(connection="warehouse", table="sales.customers").statement
    'SELECT * FROM "sales"."customers"'
    """

    @property
    def location(self) -> str:
        connection = read_connection(self.connection)
        database = f"postgresql://{place_of(connection)}/{quote(connection.database, safe='')}"
        if self.table is not None:
            return f"{database}/{self.table}"
        return f"{database}?query={hashlib.sha256(self.statement.encode()).hexdigest()[:DIGEST_DIGITS]}"

    @property
    def statement(self) -> str:
        """The SELECT that is read; of a query, without the semicolon at its end."""
        if self.table is not None:
            return f"SELECT * FROM {'.'.join(map(quoted, self.table.split('.')))}"  # noqa: S608  (quoted)
        return str(self.query).strip().rstrip("; \n\t")

    def write_rows(self, file: Path) -> Lineage:
        """Write all rows. No database says when a table has last changed: the rows are as they are now."""
        import polars as pl

        address, now = self.location, datetime.now(UTC)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            raw = Path(scratch) / "raw.parquet"
            self._fetch(raw, address)
            named = apply_names(blank_to_missing(pl.scan_parquet(raw), self.missing), self.rename, address)
            sink_rows(apply_types(named, self.types, address), file)
        return Lineage(address, self.KIND, now)

    def _fetch(self, raw: Path, address: str) -> None:
        """Write the rows as they are in the database, but for types that no step knows."""
        import pyarrow.parquet as pq

        read, outside, writer = 0, Counter[str](), None
        with contextlib.ExitStack() as opened:
            for batch in opened.enter_context(contextlib.closing(self._batches(address))):
                writer = writer or opened.enter_context(pq.ParquetWriter(raw, batch.schema))
                writer.write_batch(batch)
                read += batch.num_rows
                outside += outside_calendar(batch)
        if not read:
            what = "the table has no rows" if self.table else "the query gives 0 rows"
            raise DataValidationError(f"{address}: {what}; nothing can be learned from none: mend the data or `source`")
        if outside:
            (name, number), *_ = outside.items()
            raise DataValidationError(
                f"{address}: column {name!r}: {number:,} of {read:,} dates are infinite, or outside of the years 1 to "
                "9999; mend the data, or make them missing in a `source.query` by NULLIF(…, 'infinity')"
            )
        logger.info("%s: %d rows read", address, read)

    def _batches(self, address: str) -> Generator[pa.RecordBatch, None, None]:
        """The rows of the one statement, as they come; raises as `answering` says."""
        from adbc_driver_manager._reader import AdbcRecordBatchReader  # knows the server's code of an error
        from adbc_driver_postgresql import dbapi

        connection = read_connection(self.connection)
        statement = f"{self.statement}\n"  # which ends a comment in its last line
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
            exact = self._exact(schema.names)
            wait(cursor.execute, statement)
            stream = cursor.fetch_arrow()
            batches = iter(AdbcRecordBatchReader._import_from_c(stream.address))  # noqa: SLF001  (its only constructor)
            while (batch := wait(next, batches, None)) is not None:
                if batch.num_rows:
                    yield plain_columns(batch, exact)

    def _exact(self, columns: list[str]) -> frozenset[str]:
        """The columns of which every digit counts: those declared to be something else than a float."""
        return frozenset(name for name in columns if self.types.get(self.rename.get(name, name), "float") != "float")
