"""Tables in a run folder: Parquet files, always written the same way, so that equal rows give equal bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.run import RunFolder

DIGEST_CHUNK = 1 << 20


def write_table(folder: RunFolder, name: str, frame: pl.DataFrame) -> str:
    """Write a frame as Parquet, atomically; returns the SHA-256 of the file."""
    with folder.staged(name) as file:
        frame.write_parquet(file, compression="zstd", statistics=True)
        return file_digest(file)


def read_table(folder: RunFolder, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """A Parquet file of a step's folder, whole or by columns. Raises FileNotFoundError."""
    import polars as pl

    with folder.local(name) as file:
        return pl.read_parquet(file, columns=columns)


def file_digest(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(DIGEST_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
