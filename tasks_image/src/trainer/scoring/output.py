"""Where scored rows are published: a folder of Parquet files, or a table in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.pipeline import ParquetOutput, PostgresOutput

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.scoring.published import Published


def address_of(output: ParquetOutput | PostgresOutput) -> str:
    """Return the address of the folder, or of the table as far as it holds no login."""
    if isinstance(output, ParquetOutput):
        return output.uri
    return f"connection {output.connection}, table {output.table}"


def publish(output: ParquetOutput | PostgresOutput, file: Path, key: str) -> Published:
    """Publish the scored rows of a run at once, in place of those that an earlier try of it has published.

    :param file: the scored rows as Parquet
    :param key: the run's key

    Raises ConfigurationError if the output refuses them, OutageError if it does not answer.
    """
    if isinstance(output, ParquetOutput):
        from trainer.scoring.folder import publish_file

        return publish_file(output.uri, file, key)
    from trainer.scoring.table import publish_rows

    return publish_rows(output, file, key)
