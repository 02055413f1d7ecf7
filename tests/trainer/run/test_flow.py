"""The steps and their order."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

import trainer.steps
from tests.world import LOGISTIC, QUICK, churn_document, quick_churn
from trainer.pipeline import Pipeline
from trainer.run.flow import ALL_STEPS, PER_ALGORITHM, PER_WORKER, STEPS, PartOfRun, parts_of_run


def test_the_order() -> None:
    assert STEPS == (
        "start", "ingest", "validate", "detect_drift", "engineer_features", "tune_worker", "tune", "train", "refit",
        "evaluate", "explain", "decide", "approve", "refit_everything", "register", "accept", "promote", "publish_features",
        "report",
    )  # fmt: skip


def test_every_step_has_a_module_and_every_module_is_a_step() -> None:
    assert {module.name for module in pkgutil.iter_modules(trainer.steps.__path__)} == {*ALL_STEPS}
    assert len({*ALL_STEPS}) == len(ALL_STEPS)


@pytest.mark.parametrize("name", ALL_STEPS)
def test_a_steps_module_has_run(name: str) -> None:
    run = importlib.import_module(f"trainer.steps.{name}").run
    assert [*inspect.signature(run).parameters] == ["pipeline", "run"]


OPTIONAL = {"refit_everything", "approve"}
"""Steps that a pipeline has only if it asks for them."""


def pipeline_with(**sections: Any) -> Pipeline:
    return quick_churn(algorithms={"xgboost": LOGISTIC, "forest": LOGISTIC}, **sections)


def test_parts_of_a_run() -> None:
    parts = parts_of_run(pipeline_with())
    each = [
        PartOfRun("tune", "xgboost"),
        PartOfRun("tune", "forest"),
        PartOfRun("train", "xgboost"),
        PartOfRun("train", "forest"),
    ]
    assert parts[5:9] == each
    once = [step for step in STEPS if step not in PER_ALGORITHM]
    assert [part.step for part in parts if not part.algorithm] == [step for step in once if step not in OPTIONAL]


def test_steps_that_a_pipeline_asks_for() -> None:
    found = [part.step for part in parts_of_run(pipeline_with(approval="always")) if part.step in OPTIONAL]
    assert found == ["approve"]
    time = {"columns": {**churn_document()["columns"], "time": "tenure"}, "split": {"KIND": "time"}}
    found = [part.step for part in parts_of_run(pipeline_with(refit="everything", **time)) if part.step in OPTIONAL]
    assert found == ["refit_everything"]


def test_workers_that_share_a_study_come_before_its_result() -> None:
    parts = parts_of_run(pipeline_with(tuning={**QUICK["tuning"], "workers": 2}))
    assert parts[5:9] == [PartOfRun("tune_worker", name, number) for name in ("xgboost", "forest") for number in (1, 2)]
    assert parts[9] == PartOfRun("tune", "xgboost")
    assert [part for part in parts if part.step not in PER_WORKER] == parts_of_run(pipeline_with())
