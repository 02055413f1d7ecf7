"""The steps and their order."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import trainer.steps
from trainer.run.steps import PER_ALGORITHM, STEPS, parts_of_run


def test_the_order() -> None:
    assert STEPS == (
        "start", "ingest", "validate", "detect_drift", "engineer_features", "tune", "train", "evaluate", "explain",
        "decide", "register", "accept", "promote", "report",
    )  # fmt: skip


def test_every_step_has_a_module_and_every_module_is_a_step() -> None:
    assert {module.name for module in pkgutil.iter_modules(trainer.steps.__path__)} == {*STEPS}


@pytest.mark.parametrize("name", STEPS)
def test_a_steps_module_has_run(name: str) -> None:
    run = importlib.import_module(f"trainer.steps.{name}").run
    assert [*inspect.signature(run).parameters] == ["pipeline", "run"]


def test_parts_of_a_run() -> None:
    parts = parts_of_run(["xgboost", "forest"])
    assert parts[5:9] == [("tune", "xgboost"), ("tune", "forest"), ("train", "xgboost"), ("train", "forest")]
    assert [step for step, algorithm in parts if not algorithm] == [step for step in STEPS if step not in PER_ALGORITHM]
