"""What a reader is given and what it gives: rows that are composed lazily, and where they came from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    Composed = Callable[[], pl.LazyFrame]

T = TypeVar("T")
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


@dataclass(frozen=True)
class Reading:
    """The surroundings of one reading of a source."""

    scratch: Path
    """An empty folder for files that are needed until the rows have been used."""
    named: frozenset[str] = frozenset()
    """Columns that the pipeline names beside its source."""


@dataclass(frozen=True)
class Table:
    """The rows of a source, to be used while it is open, and their lineage."""

    origin: Lineage
    attempts: tuple[Composed, ...]
    """Ways to compose the rows, the fastest first. One that fails with a PolarsError is followed by the next: a CSV
    file may hold a value that does not fit the types of its first rows."""
    notes: list[str] = field(default_factory=list)

    @property
    def lineage(self) -> Lineage:
        """The lineage with all notes; complete once the rows have been used."""
        return replace(self.origin, notes=tuple(self.notes))

    def then(self, change: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Table:
        """Return the table with its rows changed."""
        return replace(self, attempts=tuple(_changed(compose, change) for compose in self.attempts))

    def use(self, action: Callable[[pl.LazyFrame], T]) -> T:
        """Return what an action that runs the rows returns; raises what the last attempt raises."""
        import polars as pl

        *others, last = self.attempts
        for compose in others:
            try:
                return action(compose())
            except pl.exceptions.PolarsError as error:
                logger.debug("%s: read again, more carefully: %s", self.origin.source, error)
        return action(last())


def _changed(compose: Composed, change: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Composed:
    return lambda: change(compose())


def table_of(rows: pl.LazyFrame, lineage: Lineage) -> Table:
    """Return a table whose rows are composed in one way."""
    return Table(lineage, (lambda: rows,))
