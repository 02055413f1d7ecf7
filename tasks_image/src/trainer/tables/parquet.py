"""Tables in a run folder: Parquet files, always written the same way, so that equal rows give equal bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.run import RunFolder

DIGEST_CHUNK = 1 << 20
ROWS_OF_GROUP = 1 << 17
"""Of one size, however the rows come, so that equal rows give equal bytes."""


def sink_rows(rows: pl.LazyFrame, file: Path) -> None:
    """Write rows as Parquet, a batch at a time, in their order."""
    rows.sink_parquet(
        file, compression="zstd", statistics=True, row_group_size=ROWS_OF_GROUP, maintain_order=True, engine="streaming"
    )


def write_table(folder: RunFolder, name: str, frame: pl.DataFrame) -> str:
    """Write a frame as Parquet, atomically; returns the SHA-256 of the file."""
    with folder.staged(name) as file:
        frame.write_parquet(file, compression="zstd", statistics=True, row_group_size=ROWS_OF_GROUP)
        return file_digest(file)


def sink_table(folder: RunFolder, name: str, rows: pl.LazyFrame) -> None:
    """Write rows as Parquet, atomically and a batch at a time."""
    with folder.staged(name) as file:
        sink_rows(rows, file)


def read_table(folder: RunFolder, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """A Parquet file of a step's folder, whole or by columns. Raises FileNotFoundError."""
    import polars as pl

    with folder.local(name) as file:
        return pl.read_parquet(file, columns=columns)


def rows_where(rows: pl.LazyFrame, kept: pl.Series) -> pl.LazyFrame:
    """The rows for which `kept` (n,) is true."""
    import polars as pl

    marked = pl.concat([rows, kept.alias("__kept__").to_frame().lazy()], how="horizontal")
    return marked.filter("__kept__").drop("__kept__")


def column_of(rows: pl.LazyFrame, name: str) -> pl.Series:
    """The values of a column, alone in memory; what is no number counts as missing."""
    values = rows.select(name).collect().to_series()
    return values.fill_nan(None) if values.dtype.is_float() else values


def height_of(file: Path) -> int:
    """The number of rows of a Parquet file."""
    import polars as pl

    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def file_digest(file: Path, kind: str = "sha256") -> str:
    """The SHA-256 (or another digest) of a file's bytes, in hexadecimal."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with file.open("rb") as handle:
        while chunk := handle.read(DIGEST_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
