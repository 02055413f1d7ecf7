"""What no model can use, and what tells it nothing."""

from __future__ import annotations

import math
import re
from datetime import date, time, timedelta
from typing import Any

import polars as pl
import pytest

from trainer.checks.inputs import constant_inputs, unusable_inputs
from trainer.pipeline import TabularPipeline


@pytest.fixture
def rows() -> pl.DataFrame:
    """Nothing is said of the id, the target and what is not of the kind that is looked for."""
    return pl.DataFrame({
        "customer_id": [None, None, None, None],
        "churn": ["Yes", "Yes", "Yes", "Yes"],
        "number": [1.5, None, math.nan, 2.5],
        "text": ["a", None, "a", "a"],
    })


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None] * 4, "the input 'x' has no value in any of 4 rows; mend the source, or list it under columns.exclude"),
        ([math.nan] * 4, "the input 'x' has no value in any of 4 rows"),
        ([math.inf, 1.0, -math.inf, None], "the input 'x' is infinite in 2 of 4 rows, such as row 1, row 3; mend"),
    ],
    ids=["missing", "no-numbers", "infinite"],
)
def test_what_no_model_can_use(
    churn: TabularPipeline, rows: pl.DataFrame, values: list[float | None], message: str
) -> None:
    assert unusable_inputs(churn, rows.lazy()) == []
    (found,) = unusable_inputs(churn, rows.with_columns(x=pl.Series(values)).lazy())
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1], [2], [1], None], r"the input 'x' is List\(Int64\), neither .*: take plain columns out of it where it"),
        ([{"a": 1}] * 4, r"the input 'x' is Struct\(.*take plain columns out of it"),
        ([b"a"] * 4, "the input 'x' is Binary, .*: give it the type string under source.types if its bytes are UTF-8"),
        ([time(1)] * 4, "the input 'x' is Time, .*: give it the type string"),
        ([timedelta(1)] * 4, "the input 'x' is Duration.*: write it as a number"),
        (
            [date(2026, 1, 1)] * 4,
            r"the input 'x' is Date, .*: derive a number from it .* extract\(month from x\), or list",
        ),
    ],
    ids=["list", "struct", "binary", "time", "duration", "date"],
)
def test_types_that_no_model_takes(churn: TabularPipeline, rows: pl.DataFrame, values: list[Any], message: str) -> None:
    (found,) = unusable_inputs(churn, rows.with_columns(x=pl.Series(values)).lazy())
    assert re.match(message, found)


@pytest.mark.parametrize(
    ("values", "constant"),
    [([3, 3, 3, None], True), (["a"] * 4, True), ([True] * 4, True), (["a", "a", "a", None], False), ([3, 3, 3, 4], False)],
    ids=["numbers", "texts", "booleans", "a-text-is-missing", "two-values"],
)  # fmt: skip
def test_what_tells_a_model_nothing(
    churn: TabularPipeline, rows: pl.DataFrame, values: list[object], constant: bool
) -> None:
    found = constant_inputs(churn, rows.with_columns(x=pl.Series(values)).lazy())
    assert [(check.column, check.severity, check.passed) for check in found] == [("x", "warning", False)] * constant
    assert all(check.message.startswith("all 4 rows have one value") for check in found)
