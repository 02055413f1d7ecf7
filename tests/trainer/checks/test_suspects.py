"""Inputs that nobody named: counters of rows, and columns that reveal the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import changed
from trainer.checks.suspects import COUNTER, LEAK_CHECK, suspicious_inputs
from trainer.pipeline import Pipeline

ROWS = 400


def sorted_by_target() -> pl.DataFrame:
    """The rows of each class one after the other, numbered."""
    random = np.random.default_rng(1)
    half = ROWS // 2
    return pl.DataFrame({
        "Unnamed: 0": np.arange(ROWS),
        "signal": random.normal(size=ROWS),
        "churn": ["No"] * half + ["Yes"] * half,
    })


def found(pipeline: Pipeline, rows: pl.DataFrame) -> list[tuple[str, str]]:
    return [(one.check, one.column) for one in suspicious_inputs(pipeline, rows.lazy())]


@pytest.fixture
def by_rows(churn: Pipeline) -> Pipeline:
    """Churn without a word on its columns."""
    columns = {"target": "churn", "positive": "Yes"}
    source = {"KIND": "csv", "uri": "x.csv"}
    return changed(churn, source=source, columns=columns, features={}, behaviour=[], gates={**changed_gates(churn)})


def changed_gates(churn: Pipeline) -> dict[str, Any]:
    return {**churn.gates.model_dump(mode="json"), "slices": []}


def test_a_counter_that_reveals_the_target_is_warned_of_twice(by_rows: Pipeline) -> None:
    assert found(by_rows, sorted_by_target()) == [(COUNTER, "Unnamed: 0"), (LEAK_CHECK, "Unnamed: 0")]
    (_, leak) = suspicious_inputs(by_rows, sorted_by_target().lazy())
    assert (leak.severity, leak.passed) == ("warning", False)
    assert leak.message.startswith("it predicts 'churn' alone (ROC-AUC 1.000 on held-out rows)")


def test_a_column_that_is_named_or_no_input_is_meant(by_rows: Pipeline) -> None:
    rows = sorted_by_target()
    typed = changed(by_rows, source={"KIND": "csv", "uri": "x.csv", "types": {"Unnamed: 0": "integer"}})
    assert found(typed, rows) == []
    left_out = changed(by_rows, columns={"target": "churn", "positive": "Yes", "exclude": ["Unnamed: 0"]})
    assert found(left_out, rows) == []


def test_a_leak_of_a_number(by_rows: Pipeline) -> None:
    rows = sorted_by_target().select("signal", churn=pl.col("signal") * 3 + 1)
    document = {"problem": "regression", "columns": {"target": "churn"}, "gates": {"rmse": 1, "against_production": {"metric": "rmse"}},
                "tuning": {"metric": "rmse"}, "algorithms": {"t": {"KIND": "sklearn", "estimator": "sklearn.linear_model.Ridge"}}}  # fmt: skip
    assert found(changed(by_rows, **document), rows) == [(LEAK_CHECK, "signal")]
