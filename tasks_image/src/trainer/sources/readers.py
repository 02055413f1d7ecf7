"""Opening a source: the reader that its KIND names, then dates and condition, all composed lazily."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.sources.built_dates import build_dates
from trainer.sources.dvc.reader import dvc_location, open_dvc
from trainer.sources.files.reader import open_csv, open_jsonl, open_parquet, stored_location
from trainer.sources.http.reader import http_location, open_http
from trainer.sources.images.folder import open_image_folder
from trainer.sources.images.idx import open_idx
from trainer.sources.notes import collected_notes
from trainer.sources.postgres.reader import open_postgres, postgres_location
from trainer.sources.reading import Lineage, Reading, Table
from trainer.sources.row_filter import keep_rows
from trainer.sources.s3.reader import open_s3, s3_location
from trainer.sources.samples.reader import open_sample, sample_location
from trainer.sources.texts.reader import open_texts
from trainer.tables.parquet import sink_rows
from trainer.tables.row_subset import open_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import polars as pl

    from trainer.pipeline import AnySource


class Reader(NamedTuple):
    """Two functions of a source of one KIND."""

    location: Callable[[Any], str]
    """The source as a person would name it, without a secret."""
    open: Callable[[Any, Reading], contextlib.AbstractContextManager[Table]]
    """All rows, renamed and typed, to be used in the block."""


READERS = {
    "csv": Reader(stored_location, open_csv),
    "parquet": Reader(stored_location, open_parquet),
    "jsonl": Reader(stored_location, open_jsonl),
    "text": Reader(stored_location, open_texts),
    "idx": Reader(stored_location, open_idx),
    "image_folder": Reader(stored_location, open_image_folder),
    "postgres": Reader(postgres_location, open_postgres),
    "s3": Reader(s3_location, open_s3),
    "http": Reader(http_location, open_http),
    "dvc": Reader(dvc_location, open_dvc),
    "sample": Reader(sample_location, open_sample),
}


def location_of(source: AnySource) -> str:
    """Return the source as a person would name it, without a secret."""
    return READERS[source.KIND].location(source)


@contextlib.contextmanager
def open_source(source: AnySource, named: Iterable[str] = (), beside: Path | None = None) -> Iterator[Table]:
    """Yield the wanted rows, renamed, typed and with built dates, to be used in the block.

    Nothing is written but what has to be put aside, in a folder in `beside`; memory is bounded, whatever the number of
    rows. `named` are columns that the pipeline names beside the source. Here and where the rows are used, raises
    DataValidationError if the rows cannot be read as they are or none is left, ConfigurationError if the source is
    named wrongly, TrainerError if a retry can help.

    >>> from trainer.pipeline import SampleSource
    >>> with open_source(SampleSource(rows=1000, seed=7, where="tenure > 70")) as table:
    ...     table.use(lambda rows: rows.collect().height < 1000)
    True
    """

    def wanted(rows: pl.LazyFrame) -> pl.LazyFrame:
        return keep_rows(build_dates(rows, source.dates, name), source.where, name)

    with (
        collected_notes() as notes,
        tempfile.TemporaryDirectory(dir=beside) as scratch,
        READERS[source.KIND].open(source, Reading(Path(scratch), frozenset(named))) as table,
    ):
        name = table.origin.source
        yield Table(table.origin, table.attempts, notes).then(wanted)


def write_source(source: AnySource, file: Path, named: Iterable[str] = ()) -> Lineage:
    """Write the wanted rows as one Parquet file, once; raises as `open_source` does, and then `file` is unusable."""
    with open_source(source, named, file.parent) as table:
        table.use(lambda rows: sink_rows(rows, file))
    return table.lineage


def read_source(source: AnySource, named: Iterable[str] = ()) -> tuple[pl.DataFrame, Lineage]:
    """Return the wanted rows, in memory, and their lineage; raises as `open_source` does."""
    with open_source(source, named) as table:
        rows = table.use(lambda rows: rows.collect(engine="streaming"))
    return rows, table.lineage


@contextlib.contextmanager
def local_copy(source: AnySource, named: Iterable[str] = ()) -> Iterator[tuple[pl.LazyFrame, Lineage]]:
    """Yield the wanted rows, to be read in the block as often as needed, and their lineage; raises as `open_source`."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.parquet"
        lineage = write_source(source, file, named)
        yield open_table(file), lineage
