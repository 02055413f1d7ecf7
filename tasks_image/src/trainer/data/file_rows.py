"""Files on this machine as one table: renamed, typed and written as Parquet, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.pipeline.sources import FileSource


@dataclass(frozen=True)
class SourceFile:
    """A file of a source on this machine."""

    name: str
    """What a person knows it by: its address."""
    path: Path


def write_files(files: list[SourceFile], source: FileSource, target: Path) -> None:
    """Write the rows of all files, in their order, to a Parquet file `target`, renamed and typed as `source` says.

    Raises DataValidationError where a file is empty or cannot be read, files do not have the same columns, or a value
    is not of its column's type.
    """
    raise NotImplementedError
