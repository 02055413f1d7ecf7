"""The error tree: exit codes, and whether a retry can help."""

from __future__ import annotations

import inspect

import pytest

from trainer import errors
from trainer.errors import (
    FINAL_EXIT_CODES,
    ConfigurationError,
    DataValidationError,
    DivergedError,
    ModelRefusedError,
    ModelTrainingError,
    OutageError,
    ProcessKilledError,
    PromotionConflictError,
    StepNotDoneError,
    StudyTakenOverError,
    TrainerError,
)

TREE = [
    (TrainerError, Exception, 1, True),
    (ConfigurationError, ValueError, 2, False),
    (StepNotDoneError, FileNotFoundError, 2, False),
    (DataValidationError, ValueError, 3, False),
    (ModelRefusedError, ValueError, 4, False),
    (PromotionConflictError, ModelRefusedError, 4, False),
    (ModelTrainingError, RuntimeError, 1, True),
    (DivergedError, ModelTrainingError, 4, False),
    (ProcessKilledError, ModelTrainingError, 137, True),
    (StudyTakenOverError, ModelTrainingError, 1, True),
    (OutageError, OSError, 1, True),
]


@pytest.mark.parametrize(
    ("kind", "also", "exit_code", "retry_can_help"), TREE, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_tree(kind: type[TrainerError], also: type[Exception], exit_code: int, retry_can_help: bool) -> None:
    error = kind("42 rows are wrong")
    assert isinstance(error, TrainerError)
    assert isinstance(error, also)
    assert (error.exit_code, error.retry_can_help) == (exit_code, retry_can_help)
    assert str(error) == "42 rows are wrong"


def test_every_error_stands_in_the_tree_and_in_its_drawing() -> None:
    defined = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert defined == {kind for kind, *_ in TREE}
    for kind, _, exit_code, _ in TREE:
        [line] = [line for line in str(errors.__doc__).splitlines() if f"{kind.__name__} " in line]
        assert f"exit {exit_code}" in line


def test_final_exit_codes_are_those_that_no_retry_changes() -> None:
    assert {*FINAL_EXIT_CODES} == {kind.exit_code for kind, _, _, retry_can_help in TREE if not retry_can_help}
