"""A table of hardly any rows: the run goes on, or is refused with a reason, and never breaks."""

from __future__ import annotations

import contextlib

import pytest

from tests.conftest import changed
from trainer.commands.step import run_step
from trainer.errors import DataValidationError
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.sources.samples.telco import generate_telco

STEPS = (("start", ""), ("ingest", ""), ("validate", ""), ("detect_drift", ""), ("engineer_features", ""), ("tune", "logistic"),
         ("train", "logistic"), ("refit", ""), ("evaluate", ""))  # fmt: skip


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0, "the table has a header and no rows"),
        (1, "'churn' needs exactly two values in a binary classification, and has 1"),
        (3, "'churn' needs exactly two values in a binary classification, and has 1"),
        (10, "none of the 1 rows of class 'Yes' is in the part 'validation'"),
        (20, "none of the 3 rows of class 'Yes' is in the part 'test'"),
        (30, ""),
    ],
)
def test_few_rows_are_refused_with_a_reason_or_go_through(
    count: int, message: str, surroundings, quick_churn: Pipeline, churn: Pipeline
) -> None:
    file = surroundings.home / "few.csv"
    generate_telco(rows=1500).frame.head(count).write_csv(file)
    source = {**churn.source.model_dump(mode="json"), "uri": str(file), "sample": None, "sha256": None}
    pipeline = changed(quick_churn, source=source, validation=[])
    folder = RunFolder.open(f"file://{surroundings.home}/runs/churn/few-{count}")
    expected = pytest.raises(DataValidationError, match=message) if message else contextlib.nullcontext()
    with expected:
        for name, algorithm in STEPS:
            run_step(name, folder, pipeline if name == "start" else folder.pipeline(), algorithm)
