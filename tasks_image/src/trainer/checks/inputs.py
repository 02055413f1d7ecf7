"""What is seen of the inputs before anything is trained: what no model can use, and what tells nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.records import CheckResult
from trainer.sources.plain_types import why_unusable
from trainer.tables.parquet import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import Pipeline, TabularPipeline

EXAMPLES = 5
CONSTANT = "input_is_not_constant"


def unusable_inputs(pipeline: TabularPipeline, rows: pl.LazyFrame) -> list[str]:
    """Inputs of a type that no model takes, without any value, or with infinite ones, as lines for a person."""
    from trainer.inference.features import columns_used

    used = columns_used(pipeline.features)
    schema = rows.collect_schema()
    mistakes = [
        f"features: an expression uses {name!r}, which is {schema[name]}: {remedy}"
        for name in used
        if name in pipeline.columns.not_inputs and name in schema and (remedy := why_unusable(schema[name]))
    ]
    for values in _inputs(pipeline, rows):
        if remedy := _why_no_input(values, is_used=values.name in used):
            mistakes.append(
                f"the input {values.name!r} is {values.dtype}, neither a number, a boolean nor a text: {remedy}, or "
                "list it under columns.exclude"
            )
        elif not len(values.drop_nulls()):
            mistakes.append(
                f"the input {values.name!r} has no value in any of {len(values)} rows; mend the source, or list it "
                "under columns.exclude"
            )
        elif values.dtype.is_float() and (infinite := values.is_infinite()).any():
            found = ", ".join(f"row {index + 1}" for index in infinite.arg_true().head(EXAMPLES))
            mistakes.append(
                f"the input {values.name!r} is infinite in {infinite.sum()} of {len(values)} rows, such as {found}; "
                "mend the source, or compute it under features.derive, where a division by zero becomes missing"
            )
    return mistakes


def _why_no_input(values: pl.Series, *, is_used: bool) -> str:
    import polars as pl

    if values.dtype in (pl.Date, pl.Datetime) and not is_used:
        return f"derive a number from it under features.derive, such as extract(month from {values.name})"
    return why_unusable(values.dtype)


def constant_inputs(pipeline: Pipeline, rows: pl.LazyFrame) -> list[CheckResult]:
    """A warning for each input that has one value only: a model learns nothing from it."""
    found = []
    for values in _inputs(pipeline, rows):
        known = values.drop_nulls()
        # A missing text is a category of its own; a missing number becomes the one value that there is.
        one = len(known) == len(values) or values.dtype.is_numeric()
        if one and len(known) and (known == known[0]).all():
            message = (
                f"all {len(values)} rows have one value, and a model learns nothing from it; mend the source, or list "
                "it under columns.exclude"
            )
            found.append(input_warning(CONSTANT, values.name, "distribution", message, [str(known[0])]))
    return found


def input_warning(check: str, column: str, dimension: str, message: str, examples: list[str]) -> CheckResult:
    """Return a failed check of severity `warning` about an input as a whole."""
    return CheckResult(
        check=check, column=column, dimension=dimension, severity="warning", passed=False, unexpected=0, share=0.0,
        examples=examples, message=message,
    )  # fmt: skip


def _inputs(pipeline: Pipeline, rows: pl.LazyFrame) -> Iterator[pl.Series]:
    """The columns that the model gets, one at a time; what is no number counts as missing."""
    for name in rows.collect_schema().names():
        if name not in pipeline.columns.not_inputs:
            yield column_of(rows, name)
