"""Writing a Parquet file as a table of PostgreSQL, a batch of rows at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.connections import read_connection
from trainer.errors import ConfigurationError
from trainer.sources.postgres.server import answering, conninfo, place_of, server_message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def replace_table(connection: str, table: str, file: Path) -> int:
    """Put the file's rows in place of a table, in one transaction; returns how many.

    :param connection: the name of the connection
    :param table: the table's name, with its schema if that is not `public`: `sales.customers`
    :param file: a Parquet file; its columns become the table's

    Grants and indexes go with the old table. Raises ConfigurationError if the server does not accept the connection or
    refuses the table, OutageError if it does not answer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    found = read_connection(connection)
    schema, _, name = table.rpartition(".")
    address = f"postgresql://{place_of(found)}/{found.database}/{table}"
    with (
        pq.ParquetFile(file) as rows,
        answering(found, address),
        dbapi.connect(conninfo(found)) as session,
        session.cursor() as cursor,
    ):
        batches = pa.RecordBatchReader.from_batches(rows.schema_arrow, rows.iter_batches())
        with _refusing(address, connection):
            cursor.adbc_ingest(name, batches, mode="replace", db_schema_name=schema or None)
        session.commit()
        return int(rows.metadata.num_rows)


@contextlib.contextmanager
def _refusing(address: str, connection: str) -> Iterator[None]:
    import adbc_driver_manager as adbc

    try:
        yield
    except adbc.Error as error:
        if "ERROR:  " not in str(error):  # the server has not answered, or it has ended the session
            raise
        raise ConfigurationError(
            f"{address}: {server_message(str(error))}; name another table, or let the user of the connection "
            f"{connection!r} create it"
        ) from None
