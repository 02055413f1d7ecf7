"""Rows of a built-in sample."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.parquet_reader import blank_to_missing
from trainer.sources.reading import Lineage, Reading, Table, table_of
from trainer.sources.samples.registry import SAMPLES, generate_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import SampleSource


def sample_location(source: SampleSource) -> str:
    """Return the generator with its arguments, as an address.

    >>> from trainer.pipeline import SampleSource
    >>> sample_location(SampleSource(rows=1000))
    'sample://telco?rows=1000&seed=42&drift=0'
    """
    return f"sample://{source.sample}?rows={_rows(source)}&seed={source.seed}&drift={source.drift:g}"


@contextlib.contextmanager
def open_sample(source: SampleSource, reading: Reading) -> Iterator[Table]:  # noqa: ARG001  (nothing is put aside)
    """Yield generated rows; raises as `open_source` does."""
    location = sample_location(source)
    rows = generate_sample(source.sample, _rows(source), source.seed, source.drift).lazy()
    named = apply_names(blank_to_missing(rows, source.missing), source.rename, location)
    typed = apply_types(named, source.types, location)
    yield table_of(typed, Lineage(location, source.KIND, datetime.now(UTC)))


def _rows(source: SampleSource) -> int:
    return source.rows or SAMPLES[source.sample].published_rows
