"""How a model does within segments of the test rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError
from trainer.evaluation.comparison import compare
from trainer.pipeline import did_you_mean
from trainer.run.records import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.evaluation.comparison import Rival
    from trainer.pipeline import AgainstProduction, Gates, SliceGate
    from trainer.problems import Problem
    from trainer.problems.predictions import Predictions

    Mask = NDArray[Any]

logger = logging.getLogger(__name__)

MISSING = "(missing)"
"""The segment of rows without a value."""
MOST_SEGMENTS = 30


def segments_of(values: pl.Series) -> pl.Series:
    """Each row's segment (n,) as a text; a whole number reads the same as an integer and as a float."""
    import polars as pl

    if values.dtype.is_float():
        values = values.fill_nan(None)
        values = values.cast(pl.Int64) if _is_whole(values) else values
    return values.cast(pl.String).fill_null(MISSING)


def check_slices(slices: Sequence[SliceGate], rows: pl.LazyFrame, parts: pl.Series) -> None:
    """Raises ConfigurationError for a column that makes no segments, DataValidationError for a segment without a row.

    `rows` (n, all columns, derived ones included) and the part of each row (n,). Warns of a segment that has fewer
    test rows than its gate needs: the run can only end refused.
    """
    known = rows.collect_schema().names()
    for gate in slices:
        where = f"gates.slices ({gate.column})"
        if gate.column not in known:
            raise ConfigurationError(f"{where}: there is no such column{did_you_mean(gate.column, known)}")
        values = rows.select(gate.column).collect().to_series()
        _check_values(where, gate, values.filter(parts == "train"))
        segments = segments_of(values)
        for name in gate.labels:
            if name not in segments:
                hint = did_you_mean(name, segments.unique().head(MOST_SEGMENTS))
                raise DataValidationError(f"{where}: no row of the table is in the segment {name!r}{hint}")
        _warn_of_few(gate, segments.filter(parts == "train"), segments.filter(parts == "test"))


def judge_slices(
    problem: Problem,
    gates: Gates,
    columns: pl.DataFrame,
    parts: pl.Series,
    *,
    challenger: Predictions,
    rivals: Sequence[Rival],
) -> list[Segment]:
    """Every expected segment of every slice, those without a test row included.

    `columns` (n, the sliced columns) and `parts` (n,) are those of all rows; the predictions are for the test rows
    among them, in the same order. `rivals` are production, if there is one to compare with,
    and the anchor, if it is another version.
    """
    found = []
    for gate in gates.slices:
        segments = segments_of(columns[gate.column])
        testing = segments.filter(parts == "test").to_numpy()
        for name in _expected(gate, segments.filter(parts == "train")):
            inside = testing == name
            segment = _segment(problem, gate, name, inside, challenger)
            if rivals and segment.rows:
                segment = segment.model_copy(
                    update=_beside(problem, gates.against_production, gate, inside, challenger, rivals)
                )
            found.append(segment)
    return found


def _is_whole(values: pl.Series) -> bool:
    return bool((values.is_null() | (values.is_finite() & (values == values.round(0)))).all())


def _check_values(where: str, gate: SliceGate, training: pl.Series) -> None:
    number = training.n_unique()
    if training.dtype.is_nested():
        raise ConfigurationError(f"{where}: {training.dtype} values make no segments")
    if (number > MOST_SEGMENTS and not gate.segments) or (training.dtype.is_float() and not _is_whole(training)):
        raise ConfigurationError(
            f"{where}: {number} different values are too many segments (at most {MOST_SEGMENTS}, whole numbers or "
            f"texts); cut it under features.derive, such as `CASE WHEN {gate.column} < … THEN 'low' ELSE 'high' END`, "
            "and slice by that column, or list the segments that count"
        )


def _warn_of_few(gate: SliceGate, training: pl.Series, testing: pl.Series) -> None:
    for name in _expected(gate, training):
        rows = int((testing == name).sum())
        if rows < gate.min_rows:
            logger.warning(
                "segment %r of %s has %d test rows, %d are needed to judge it: the model will be refused",
                name, gate.column, rows, gate.min_rows,
            )  # fmt: skip


def _expected(gate: SliceGate, training: pl.Series) -> list[str]:
    return gate.labels or training.unique().sort().to_list()


def _segment(problem: Problem, gate: SliceGate, name: str, inside: Mask, challenger: Predictions) -> Segment:
    rows = int(inside.sum())
    metrics = problem.defined_figures(challenger.rows(inside)) if rows else {}
    return Segment(column=gate.column, segment=name, rows=rows, metrics=metrics)


def _beside(
    problem: Problem,
    rule: AgainstProduction,
    gate: SliceGate,
    inside: Mask,
    challenger: Predictions,
    rivals: Sequence[Rival],
) -> dict[str, Any]:
    """Production's figures and, where the gate asks for it, the comparisons on rows that no model has learned from."""
    figures: dict[str, Any] = {"production_metrics": problem.defined_figures(rivals[0].predictions.rows(inside))}
    if gate.max_loss is None:
        return figures
    fair = inside & rivals[0].never_seen
    rows = int(fair.sum())
    if rows < gate.min_rows:
        reason = f"{rows} of its test rows are new to production, {gate.min_rows} are needed"
        return {**figures, "not_compared": reason}
    try:
        compared = [compare(problem, rule, challenger, rival.predictions, fair) for rival in rivals]
    except DataValidationError as error:  # the metric is undefined on so few rows of a class
        return {**figures, "not_compared": str(error)}
    left_out = {"rows_left_out": int(inside.sum()) - rows}
    names = ("comparison", "anchor_comparison")
    return {**figures, **{name: one.model_copy(update=left_out) for name, one in zip(names, compared, strict=False)}}
