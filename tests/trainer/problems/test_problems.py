"""What each problem knows of its target: classes and their codes, and which one is positive."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import metrics_for
from trainer.problems import PROBLEMS, problem_of

LEAVERS = "binary_classification"


def test_a_problem_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="there is no problem 'regresion'; did you mean 'regression'"):
        problem_of("regresion")


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_metric_that_a_pipeline_may_name_has_a_figure(name: str) -> None:
    assert list(problem_of(name).figures) == metrics_for(name)
    assert all(figure.name == metric for metric, figure in problem_of(name).figures.items())


def test_only_two_classes_have_a_positive_one() -> None:
    assert problem_of("multiclass_classification").positive_of((1, 2, 3), 2) is None
    assert problem_of("regression").positive_of((), None) is None


@pytest.mark.parametrize(
    ("problem", "values", "expected"),
    [
        (LEAVERS, ["yes", "no", "yes"], ("no", "yes")),
        ("multiclass_classification", [3, 1, 2, 1], (1, 2, 3)),
        (LEAVERS, [True, False], (False, True)),
        ("regression", [1.5, 2.5], ()),
    ],
    ids=["texts", "numbers", "booleans", "regression"],
)
def test_classes_are_in_their_order(problem: str, values: list[Any], expected: tuple[Any, ...]) -> None:
    classes = problem_of(problem).classes_of(pl.Series("y", values))
    assert classes == expected
    codes = problem_of(problem).encode(pl.Series("y", values), classes).tolist()
    assert codes == ([classes.index(value) for value in values] if classes else values)


def test_a_class_that_training_did_not_see() -> None:
    with pytest.raises(
        DataValidationError, match=r"target 'y': classes \['perhaps'\] do not occur in the training rows"
    ):
        problem_of(LEAVERS).encode(pl.Series("y", ["yes", "perhaps"]), ("no", "yes"))


@pytest.mark.parametrize(
    ("classes", "positive", "expected"),
    [
        (("no", "yes"), "yes", "yes"),
        ((0, 1), 1, 1),
        ((0, 1), "1", 1),
        ((False, True), True, True),
        ((False, True), "true", True),
    ],
    ids=["text", "number", "number-as-text", "boolean", "boolean-as-text"],
)
def test_the_positive_class_is_found_by_how_it_is_written(classes: Any, positive: Any, expected: Any) -> None:
    assert problem_of(LEAVERS).positive_of(classes, positive) is expected
