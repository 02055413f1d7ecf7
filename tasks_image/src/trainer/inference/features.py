"""Columns computed from the inputs by SQL expressions: the same for one row at serving as for all rows in training."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from trainer.errors import ConfigurationError, DataValidationError
from trainer.inference.expressions import build, check_aggregate, check_row_wise, columns_of, parse
from trainer.pipeline import Features, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

Scalar: TypeAlias = float | int | str | bool


@dataclass(frozen=True)
class FittedFeatures:
    """Expressions with the constants that they got from the training rows; picklable."""

    constants: dict[str, Scalar]
    """Fitted on the training rows; expressions use them by name."""
    derive: dict[str, str]
    """Name of a derived column to its SQL expression; one may use those before it."""
    columns: dict[str, pl.DataType]
    """Raw columns that `derive` reads, with their types in training (numbers widened to 64 bits)."""

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with the derived columns at its end; what is infinite or no number becomes missing.

        Raises DataValidationError if a column is absent, not of the type that it had in training, or holds a value
        that an expression cannot convert.
        """
        return frame.hstack(self._derived(frame)) if self.derive else frame

    def became_missing(self, frame: pl.DataFrame) -> dict[str, int]:
        """For each derived column, how many of its values are missing only because of a division by zero."""
        if not self.derive:
            return {}
        plain = self._derived(frame)
        with_ones = self._derived(frame, zero_counts_as_one=True)
        pairs = zip(plain, with_ones, strict=True)
        return {found.name: int((found.is_null() & other.is_not_null()).sum()) for found, other in pairs}

    def _derived(self, frame: pl.DataFrame, *, zero_counts_as_one: bool = False) -> list[pl.Series]:
        import polars as pl

        typed = _typed(frame, self.columns)
        steps = (
            [build(text, zero_counts_as_one=True) for text in self.derive.values()]
            if zero_counts_as_one
            else self._steps
        )
        # One query for all: each of its own costs as much as this does for one row. There is nothing to optimize.
        plan = _planned(typed, self.constants, dict(zip(self.derive, steps, strict=True)))
        try:
            return plan.select(list(self.derive)).collect(optimizations=pl.QueryOptFlags.none()).get_columns()
        except pl.exceptions.PolarsError as error:
            raise self._refusal(typed, steps, error) from error

    @functools.cached_property
    def _steps(self) -> list[pl.Expr]:
        """The expressions in their order; what is infinite or no number becomes missing."""
        import polars as pl

        plain = {name: build(text) for name, text in self.derive.items()}
        kinds = _planned(pl.LazyFrame(schema=self.columns), self.constants, plain).collect_schema()
        return [
            pl.when(step.is_finite()).then(step) if kinds[name].is_float() else step for name, step in plain.items()
        ]

    def _refusal(self, typed: pl.LazyFrame, steps: list[pl.Expr], error: Exception) -> DataValidationError:
        """What to say of a query that failed: which expression it was."""
        import polars as pl

        known: dict[str, pl.Expr] = {}
        for (name, text), step in zip(self.derive.items(), steps, strict=True):
            known[name] = step
            try:
                _planned(typed, self.constants, known).select(name).collect()
            except pl.exceptions.PolarsError as found:
                return DataValidationError(
                    f"features.derive.{name}: {text!r} cannot be computed on these rows: {found}; "
                    f"TRY_CAST instead of CAST makes missing what cannot be converted"
                )
        return DataValidationError(f"features.derive cannot be computed on these rows: {error}")

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def fit_features(spec: Features, training: pl.DataFrame) -> FittedFeatures:
    """The features, their constants computed on the training rows.

    Raises ConfigurationError if an expression is wrong, DataValidationError if a constant is missing or not finite.
    """
    check_expressions(spec)
    for name in columns_used(spec):
        if name not in training.columns:
            raise ConfigurationError(f"features: there is no column {name!r}{did_you_mean(name, training.columns)}")
    rows = training.with_columns(
        _typed(training, {name: wide_type(training.schema[name]) for name in columns_used(spec)}).collect()
    )
    constants = {name: _constant(rows, name, text) for name, text in spec.fit.items()}
    return features_with(spec, constants, training.schema)


def features_with(spec: Features, constants: Mapping[str, Any], schema: pl.Schema) -> FittedFeatures:
    """The features with constants that are known, for rows of a schema."""
    columns = {name: wide_type(schema[name]) for name in _raw_columns(spec.derive, spec)}
    return FittedFeatures(dict(constants), dict(spec.derive), columns)


def check_expressions(
    spec: Features, schema: pl.Schema | None = None, forbidden: Mapping[str, str] | None = None
) -> None:
    """Raises ConfigurationError, naming the expression, for one that is wrong.

    With the table's schema, also for unknown columns, for names that the table already has and for types that do not
    fit; `forbidden` are columns that no feature may use, and what each is, such as the target.
    """
    for name, text in spec.fit.items():
        where = f"features.fit.{name}"
        tree = parse(text, where)
        check_aggregate(tree, where)
        _check_order(where, columns_of(tree), [*spec.fit, *spec.derive], "a constant can use columns of the table only")
    derived = list(spec.derive)
    for place, (name, text) in enumerate(spec.derive.items()):
        where = f"features.derive.{name}"
        tree = parse(text, where)
        check_row_wise(tree, where)
        _check_order(where, columns_of(tree), derived[place:], "it can use derived columns that stand before it only")
        if set(columns_of(tree)) <= set(spec.fit):
            raise ConfigurationError(f"{where}: {text!r} uses no column: it would be the same for all rows")
    _check_forbidden(spec, forbidden or {})
    if schema is not None:
        _check_names(spec, schema)
        _check_types(spec, schema)


def _check_order(where: str, used: list[str], too_late: list[str], rule: str) -> None:
    for name in used:
        if name in too_late:
            raise ConfigurationError(f"{where}: {name!r} is not known here: {rule}")


def _check_forbidden(spec: Features, forbidden: Mapping[str, str]) -> None:
    for part, expressions in (("fit", spec.fit), ("derive", spec.derive)):
        for name, text in expressions.items():
            for column in _raw_columns({name: text}, spec):
                if column in forbidden:
                    raise ConfigurationError(
                        f"features.{part}.{name}: {column!r} cannot be used: it is {forbidden[column]}"
                    )


def _check_names(spec: Features, schema: pl.Schema) -> None:
    for part, expressions in (("fit", spec.fit), ("derive", spec.derive)):
        for name, text in expressions.items():
            where = f"features.{part}.{name}"
            if name in schema:
                raise ConfigurationError(f"{where}: the table already has a column {name!r}; choose another name")
            for column in _raw_columns({name: text}, spec):
                if column not in schema:
                    known = [*schema, *spec.fit, *spec.derive]
                    raise ConfigurationError(f"{where}: there is no column {column!r}{did_you_mean(column, known)}")


def _check_types(spec: Features, schema: pl.Schema) -> None:
    """Evaluates every expression on one row without values: Polars then says which types do not fit."""
    import polars as pl

    used = columns_used(spec)
    row = pl.DataFrame({name: [None] for name in used}, schema={name: wide_type(schema[name]) for name in used})
    for part, expressions in (("fit", spec.fit), ("derive", spec.derive)):
        for name, text in expressions.items():
            try:
                row = row.with_columns(build(text).alias(name))
            except pl.exceptions.PolarsError as error:
                raise ConfigurationError(f"features.{part}.{name}: {text!r} does not fit the table: {error}") from error
            if row.schema[name].is_nested():
                raise ConfigurationError(f"features.{part}.{name}: {text!r} gives a list, not a single value")
            if part == "derive" and row.schema[name].is_temporal() and name not in names_used(spec):
                raise ConfigurationError(
                    f"features.derive.{name}: {text!r} gives {row.schema[name]}, and an input is a number, a boolean "
                    "or a text; derive one from it, such as by extract(month from …); a distance is that of two "
                    "extract(epoch from CAST(… AS TIMESTAMP)), in seconds"
                )


def columns_used(spec: Features) -> list[str]:
    """The columns of the table that expressions read, constants included: each once, in order."""
    return list(dict.fromkeys(_raw_columns(spec.fit, spec) + _raw_columns(spec.derive, spec)))


def names_used(spec: Features) -> set[str]:
    """All names that expressions read: columns of the table, constants and derived columns."""
    return {
        name for text in (*spec.fit.values(), *spec.derive.values()) for name in columns_of(parse(text, "features"))
    }


def _raw_columns(expressions: dict[str, str], spec: Features) -> list[str]:
    """The columns of the table that expressions read, each once, in order."""
    used = [column for text in expressions.values() for column in columns_of(parse(text, "features"))]
    return [column for column in dict.fromkeys(used) if column not in spec.fit and column not in spec.derive]


def _constant(rows: pl.DataFrame, name: str, text: str) -> Scalar:
    import polars as pl

    where = f"features.fit.{name}"
    try:
        found = rows.select(build(text).alias(name))
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"{where}: {text!r} cannot be computed: {error}") from error
    if found.height != 1:
        raise ConfigurationError(f"{where}: {text!r} gives {found.height} values; it must give exactly one")
    value = found.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise DataValidationError(
            f"{where}: {text!r} is {'missing' if value is None else value} over {rows.height} training rows; "
            f"check the columns it reads for missing values and zeros"
        )
    if not isinstance(value, float | int | str | bool):
        raise ConfigurationError(f"{where}: {text!r} gives a {type(value).__name__}; make it a number, text or boolean")
    return value


def _literal(name: str, value: Scalar) -> pl.Expr:
    """A constant as a column of a type that does not depend on its size."""
    import polars as pl

    wide = pl.Int64 if isinstance(value, int) and not isinstance(value, bool) else None
    return pl.lit(value, dtype=wide).alias(name)


def _planned(rows: pl.LazyFrame, constants: dict[str, Scalar], steps: dict[str, pl.Expr]) -> pl.LazyFrame:
    """The rows with constants and derived columns, one after the other."""
    rows = rows.with_columns(_literal(name, value) for name, value in constants.items())
    for name, step in steps.items():
        rows = rows.with_columns(step.alias(name))
    return rows


def wide_type(kind: pl.DataType) -> pl.DataType:
    """The type that expressions see: narrow and unsigned integers would wrap round, and differ between sources."""
    import polars as pl

    if kind.is_integer():
        return pl.Int64()
    if kind.is_numeric():
        return pl.Float64()
    return pl.String() if kind in (pl.Categorical, pl.Enum) else kind


def _typed(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.LazyFrame:
    schema = frame.schema
    for name in columns:
        if name not in schema:
            raise DataValidationError(
                f"the column {name!r} is missing{did_you_mean(name, frame.columns)}; features are computed from it"
            )
    return frame.lazy().select(_as_in_training(frame, name, schema[name], kind) for name, kind in columns.items())


def _as_in_training(frame: pl.DataFrame, name: str, given: pl.DataType, kind: pl.DataType) -> pl.Expr:
    """A column in the type that it had in training; no number is a missing value."""
    import polars as pl

    values = pl.col(name).fill_nan(None) if given.is_float() else pl.col(name)
    if given == kind:
        return values
    wide = wide_type(given)
    fits = wide == kind or wide.base_type() == kind.base_type() or (kind == pl.Float64 and wide == pl.Int64)
    if not (fits or given == pl.Null or (kind == pl.Int64 and wide == pl.Float64 and _is_whole(frame, values))):
        raise DataValidationError(
            f"the column {name!r} was {kind} in training and is {given} here; give it in the same type"
        )
    return values.cast(kind)


def _is_whole(frame: pl.DataFrame, numbers: pl.Expr) -> bool:
    return bool(frame.select((numbers == numbers.round(0)).all()).item())
