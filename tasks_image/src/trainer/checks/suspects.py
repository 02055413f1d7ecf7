"""Inputs that nobody named and that look like an accident: row counters, and columns that reveal the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.counters import has_counter_name, is_counter
from trainer.checks.inputs import input_warning
from trainer.problems import problem_of
from trainer.tables.parquet import column_of, rows_where

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run.records import CheckResult

COUNTER, LEAK_CHECK = "input_is_not_a_row_counter", "input_does_not_reveal_target"
REMEDY = "list it under columns.exclude, or give it a type under source.types if it is meant to be an input"


def suspicious_inputs(pipeline: Pipeline, rows: pl.LazyFrame) -> list[CheckResult]:
    """Return a warning for each input that the source does not name and that counts rows or predicts the target alone.

    The second is tried on a seeded draw of rows, half of which a small tree learns from.
    """
    unnamed = [
        name
        for name in rows.collect_schema().names()
        if name not in pipeline.columns.not_inputs and name not in pipeline.source.declared
    ]
    return [*_counters(unnamed, rows), *_leaks(pipeline, unnamed, rows)] if unnamed else []


def _counters(names: list[str], rows: pl.LazyFrame) -> Iterator[CheckResult]:
    for name in names:
        if is_counter(values := column_of(rows, name)) or (values.dtype.is_integer() and has_counter_name(name)):
            message = f"it numbers the rows, which says how the file was written and nothing of a row; {REMEDY}"
            yield input_warning(COUNTER, name, "validity", message, [str(value) for value in values.head(3)])


def _leaks(pipeline: Pipeline, names: list[str], rows: pl.LazyFrame) -> Iterator[CheckResult]:
    from trainer.checks.target_leak import LEAK, score_alone

    problem = problem_of(pipeline.problem)
    drawn = _drawn(rows.select([*names, pipeline.columns.target]))
    for name in names:
        score = score_alone(drawn[name], drawn[pipeline.columns.target], problem)
        if score > LEAK:
            message = (
                f"it predicts {pipeline.columns.target!r} alone ({problem.leak_measure} {score:.3f} on held-out "
                f"rows): is it known before the target is? If not, {REMEDY}"
            )
            yield input_warning(LEAK_CHECK, name, "consistency", message, [])


def _drawn(rows: pl.LazyFrame) -> pl.DataFrame:
    """A seeded draw of at most as many rows as one column is tried on."""
    import numpy as np
    import polars as pl

    from trainer.checks.target_leak import MOST_ROWS, SEED

    height = int(rows.select(pl.len()).collect().item())
    chosen = np.zeros(height, dtype=bool)
    chosen[np.random.default_rng(SEED).permutation(height)[:MOST_ROWS]] = True
    return rows_where(rows, pl.Series(chosen)).collect()
