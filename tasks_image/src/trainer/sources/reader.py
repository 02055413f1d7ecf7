"""What every reader does: a source's rows as one typed Parquet file, and where they came from."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import PrivateAttr

from trainer.pipeline import Source
from trainer.sources.built_dates import build_dates
from trainer.sources.notes import collected_notes
from trainer.sources.row_filter import columns_of_condition, keep_rows
from trainer.tables.parquet import sink_rows
from trainer.tables.row_subset import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    import polars as pl

logger = logging.getLogger(__name__)

REMOTE_TAG = "data.remote"
"""Where a store has the very object that was read."""


@dataclass(frozen=True)
class Lineage:
    """Where rows came from.

    >>> from datetime import UTC, datetime
    >>> Lineage("s3://lake/houses.csv", "csv", datetime(2026, 1, 4, tzinfo=UTC)).kind
    'csv'
    """

    source: str
    kind: str
    changed_at: datetime
    """When the source last changed (UTC); now, where nobody can say."""
    tags: dict[str, str] = field(default_factory=dict)
    """What the run and the model version are to be found by, such as `dvc.hash`."""
    notes: tuple[str, ...] = ()
    """Assumptions made while the rows were read, such as the order of day and month."""


class Reader(Source, ABC):
    """What yields a table: its columns renamed and typed, and of its rows those that are wanted."""

    _named: frozenset[str] = PrivateAttr(frozenset())

    def naming(self, columns: Iterable[str]) -> Self:
        """Return the same reader for a pipeline that names these columns beside its source."""
        reader = self.model_copy()
        reader._named = frozenset(columns)  # noqa: SLF001  (its own)
        return reader

    @property
    def declared(self) -> set[str]:
        parts = {part for date in self.dates.values() for part in date.columns}
        return super().declared | self._named | parts | columns_of_condition(self.where)

    @property
    @abstractmethod
    def location(self) -> str:
        """The source as a person would name it, without a secret."""

    @abstractmethod
    def write_rows(self, file: Path) -> Lineage:
        """Write all rows, renamed and typed, as one Parquet file that is not there yet; the heart of `write`."""

    def write(self, file: Path) -> Lineage:
        """Write the rows that are wanted, renamed and typed, as one Parquet file that is not there yet.

        Memory is bounded, whatever the number of rows. What has to be put aside lies beside `file`.
        Raises DataValidationError where the rows cannot be read as they are or none is left, ConfigurationError where
        the source is named wrongly, TrainerError where another try can help; then what is at `file` is of no use.
        """
        with collected_notes() as notes:
            lineage = self.write_rows(file)
        self._build_dates(file, lineage.source)
        keep_rows(file, self.where, lineage.source)
        return replace(lineage, notes=(*lineage.notes, *notes))

    def _build_dates(self, file: Path, name: str) -> None:
        import polars as pl

        if self.dates:
            built = file.with_suffix(".dated")
            sink_rows(build_dates(pl.scan_parquet(file), self.dates, name), built)
            built.replace(file)

    def read(self) -> pl.DataFrame:
        """All rows, in memory; raises as `write` does."""
        return self.read_with_lineage()[0]

    def read_with_lineage(self) -> tuple[pl.DataFrame, Lineage]:
        """All rows, in memory, and where they came from; raises as `write` does."""
        with self.opened() as (rows, lineage):
            return rows.collect(), lineage

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[pl.LazyFrame, Lineage]]:
        """All rows, to be read in the block as they are asked for, and where they came from; raises as `write` does."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "rows.parquet"
            lineage = self.write(file)
            yield open_table(file), lineage
