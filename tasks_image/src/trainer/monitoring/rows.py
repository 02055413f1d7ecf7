"""Rows of a look: the answers and the inputs of some scoring runs, each id once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from trainer.errors import DataValidationError
from trainer.run import RunFolder
from trainer.tables.handover import ROWS
from trainer.tables.parquet import read_table, sink_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from trainer.run.records import ScoredRun


def answers_of(run: RunFolder, runs: Sequence[ScoredRun], kept: Literal["first", "last"]) -> pl.DataFrame:
    """Return `id` and the answers of scoring runs of one version, oldest first; each id once.

    :param kept: the answer that counts of an id that was scored more than once
    """
    import polars as pl

    tables = [read_table(run.at("read_scores"), f"{one.key}.parquet") for one in runs]
    return pl.concat(tables).unique("id", keep=kept, maintain_order=True)


def inputs_of(run: RunFolder, runs: Sequence[ScoredRun], row_id: str, scratch: Path) -> pl.LazyFrame:
    """Return the inputs of scoring runs of one version, oldest first; of each id the newest row.

    Raises DataValidationError if the rows of a run are gone.
    """
    import polars as pl

    with contextlib.ExitStack() as opened:
        tables = []
        for one in runs:
            folder = RunFolder.open(f"{run.uri.rpartition('/')[0]}/{one.key}", run.filesystem).at("read_rows")
            if not folder.filesystem.exists(folder.path(ROWS)):
                raise DataValidationError(f"{folder.uri_of(ROWS)}: the rows that were scored are gone; start a new run")
            tables.append(pl.scan_parquet(opened.enter_context(folder.local(ROWS))))
        file = scratch / "inputs.parquet"
        sink_rows(pl.concat(tables, how="diagonal_relaxed").unique(row_id, keep="last"), file)
    return pl.scan_parquet(file)
