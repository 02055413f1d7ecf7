"""What a model's answers do when something about real rows is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.inference.expressions import build, check_row_wise, columns_of, parse
from trainer.inference.features import wide_type
from trainer.pipeline import did_you_mean
from trainer.problems import problem_of
from trainer.run.records import Behaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.pipeline import Behaviour, Pipeline
    from trainer.problems import Problem

    Array = NDArray[Any]
    Change = Callable[[Behaviour, pl.DataFrame, int], "Changed"]
    """Changes rows (n, raw columns) as an expectation says, by a seed."""

MOST_ROWS = 2000
ROUNDING = 1e-9
"""Changes up to this share of the answer are none: a sum over many threads or another place in a matrix rounds anew."""
NO_AGGREGATE = "write the number out"


@dataclass(frozen=True)
class Changed:
    """Rows that an expectation changes, at most `MOST_ROWS` of them."""

    positions: Array
    """Where they stand among the rows that were given (n,)."""
    rows: pl.DataFrame
    """The same rows, changed (n, raw columns)."""


@dataclass(frozen=True)
class BehaviourTrials:
    """A pipeline's expectations, and the rows that each of them changes."""

    pipeline: Pipeline
    given: int
    """The number of rows before any was changed."""
    trials: list[Changed]

    @classmethod
    def of(cls, pipeline: Pipeline, rows: pl.DataFrame, change: Change) -> BehaviourTrials:
        """Rows (n, raw columns), changed as each of the pipeline's expectations says."""
        return cls(pipeline, rows.height, [change(one, rows, pipeline.tuning.seed) for one in pipeline.behaviour])

    @property
    def rows(self) -> list[pl.DataFrame]:
        """The changed rows of each expectation."""
        return [trial.rows for trial in self.trials]

    def judge(self, output: pl.DataFrame) -> list[Behaved]:
        """Judge each expectation by the answers to the given rows, followed by those to the changed rows in order.

        Whatever else follows in `output` is left aside.
        """
        before, end, found = output.head(self.given), self.given, []
        for expected, trial in zip(self.pipeline.behaviour, self.trials, strict=True):
            begin, end = end, end + trial.rows.height
            answered = before[trial.positions], output[begin:end]
            found.append(judge_behaviour(problem_of(self.pipeline.problem), expected, *answered))
        return found


def check_behaviours(behaviours: Sequence[Behaviour], target: str, schema: pl.Schema | None = None) -> None:
    """Raises ConfigurationError for an expression that is wrong, looks at other rows or reads the target.

    With the table's schema, also for unknown columns, and for a value of another type than its column's.
    """
    for behaviour in behaviours:
        for where, text, column in _expressions(behaviour):
            tree = parse(text, where)
            check_row_wise(tree, where, NO_AGGREGATE)
            used = [*columns_of(tree), *([column] if column else [])]
            if target in used:
                raise ConfigurationError(f"{where}: {target!r} cannot be used: it is the target, which no model gets")
            if schema is not None:
                _check_columns(where, used, [name for name in schema if name != target])
                _check_type(where, text, column, schema)


def change_rows(behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
    """The rows that differ once changed as an expectation says; a seeded draw where there are too many.

    None where no row fits its condition. Raises ConfigurationError where rows fit and not one of them is changed,
    DataValidationError where an expression cannot be computed on these rows.
    """
    import numpy as np
    import polars as pl

    fits, changed = _evaluated(behaviour, rows)
    plain = rows.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    differs = pl.Series([False] * rows.height)
    for name in behaviour.set:
        differs |= changed[name].ne_missing(plain[name])
    if fits.any() and not (fits & differs).any():
        raise ConfigurationError(
            f"behaviour ({behaviour.name}): `set` changes none of the {fits.sum()} rows that it applies to, so the "
            "expectation could never fail; give the columns another value, or choose other rows under `where`"
        )
    positions = (fits & differs).arg_true().to_numpy()
    if positions.size > MOST_ROWS:
        positions = np.sort(np.random.default_rng(seed).choice(positions, MOST_ROWS, replace=False))
    return Changed(positions, changed[positions])


def judge_behaviour(problem: Problem, behaviour: Behaviour, before: pl.DataFrame, after: pl.DataFrame) -> Behaved:
    """What the answers did: those for rows as they are (n) and as they were changed (n)."""
    import numpy as np

    changes = _changes(problem, before, after)
    if not np.isfinite(changes).all():
        raise ModelRefusedError(
            f"behaviour ({behaviour.name}): the model gives no number for {(~np.isfinite(changes)).sum()} of "
            f"{changes.size} changed rows"
        )
    return Behaved(
        name=behaviour.name,
        expect=behaviour.expect,
        rows=changes.size,
        mean_change=float(changes.mean()) if changes.size else 0.0,
        largest_change=float(abs(changes).max()) if changes.size else 0.0,
        tolerance=behaviour.tolerance,
    )


def _changes(problem: Problem, before: pl.DataFrame, after: pl.DataFrame) -> Array:
    """By how much each row's answer rose (n,); where it has several figures, the most that any of them moved."""
    import numpy as np

    old, new = (side.astype(float) for side in problem.changes(before, after))
    moved = np.where(abs(new - old) <= ROUNDING * np.maximum(1, abs(old)), 0.0, new - old)
    changes: Array = moved[:, 0] if moved.shape[1] == 1 else abs(moved).max(axis=1)
    return changes


def _expressions(behaviour: Behaviour) -> Iterator[tuple[str, str, str | None]]:
    """Where each expression stands, its text, and the column that it gives a value to."""
    for column, text in behaviour.set.items():
        yield f"behaviour ({behaviour.name}).set.{column}", text, column
    if behaviour.where is not None:
        yield f"behaviour ({behaviour.name}).where", behaviour.where, None


def _check_columns(where: str, used: list[str], known: list[str]) -> None:
    for name in used:
        if name not in known:
            raise ConfigurationError(f"{where}: the table has no column {name!r}{did_you_mean(name, known)}")


def _check_type(where: str, text: str, column: str | None, schema: pl.Schema) -> None:
    """Evaluates the expression on one row without values: Polars then says which types do not fit."""
    import polars as pl

    row = pl.DataFrame({name: [None] for name in schema}, schema={name: wide_type(schema[name]) for name in schema})
    try:
        given = row.select(build(text).alias("value")).schema["value"]
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"{where}: {text!r} does not fit the table: {error}") from error
    needed = pl.Boolean() if column is None else wide_type(schema[column])
    same = wide_type(given).base_type() == needed.base_type()
    if not (same or given == pl.Null or (given.is_integer() and needed == pl.Float64)):
        what = "a condition" if column is None else f"the column {column!r}"
        raise ConfigurationError(f"{where}: {text!r} gives {given}, {what} is {needed}; CAST(… AS …) makes it one")


def _evaluated(behaviour: Behaviour, rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Which rows fit the condition (n,), and all rows changed; every expression reads the rows as they were."""
    import polars as pl

    seen = rows.with_columns(pl.col(name).cast(wide_type(kind)) for name, kind in rows.schema.items())
    seen = seen.with_columns(pl.col(pl.Float64).fill_nan(None))
    try:
        fits = seen.with_columns(build(behaviour.where or "TRUE").alias("fits"))["fits"].fill_null(value=False)
        values = seen.with_columns(build(text).alias(name) for name, text in behaviour.set.items())
        changed = rows.with_columns(values[name].cast(rows.schema[name]) for name in behaviour.set)
    except pl.exceptions.PolarsError as error:
        raise DataValidationError(
            f"behaviour ({behaviour.name}): this cannot be computed on these rows: {error}; TRY_CAST instead of CAST "
            "makes missing what cannot be converted"
        ) from error
    return fits, changed
