"""Parameters that a library refuses are found before there are rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from trainer.errors import ConfigurationError
from trainer.pipeline import AnyAlgorithm, Pipeline, Sklearn, TabularPipeline
from trainer.problems import problem_of
from trainer.training.parameter_checks import check_algorithm

OWN = """
from sklearn.base import BaseEstimator


class Churner(BaseEstimator):
    def __init__(self, strength=1.0):
        self.strength = strength
"""
FOREST = "sklearn.ensemble.RandomForestClassifier"


def algorithm(kind: str, parts: dict[str, Any]) -> AnyAlgorithm:
    """An algorithm as a pipeline file says it."""
    made: AnyAlgorithm = TypeAdapter(AnyAlgorithm).validate_python({"KIND": kind, **parts})
    return made


@pytest.mark.parametrize(
    ("kind", "parts", "message"),
    [
        ("xgboost", {"params": {"subsample": 0.5, "max_depth": -3}}, r"^algorithms.a.params.max_depth: value -3 for Parameter max_dep"),
        ("xgboost", {"params": {"learning_rate": "fast"}}, r"^algorithms.a.params.learning_rate: "),
        ("xgboost", {"params": {"n_estimators": -5}}, r"^algorithms.a.params.n_estimators: .* at least 1, not -5"),
        ("xgboost", {"search": {"max_depht": {"low": 1, "high": 2}}}, r"^algorithms.a.search.max_depht .*did you mean 'max_depth'"),
        ("xgboost", {"search": {"subsample": {"low": 0.5, "high": 1.5}}}, r"^algorithms.a.search.subsample \(1.5\): .*exceed bound"),
        ("lightgbm", {"params": {"learning_rate": "fast"}}, r"^algorithms.a.params.learning_rate: "),
        ("lightgbm", {"search": {"max_depth": {"low": 1, "high": 2.5}}}, r"^algorithms.a.search.max_depth \(1.0\): .*type int"),
        ("lightgbm", {"search": {"num_leaves": {"choices": [31, 1]}}}, r"^algorithms.a.search.num_leaves \(1\): "),
        ("sklearn", {"estimator": FOREST, "params": {"max_features": "all"}}, r"^algorithms.a.params.max_features: .*'all' instead"),
        ("sklearn", {"estimator": FOREST, "search": {"max_depth": {"low": 0, "high": 3}}}, r"^algorithms.a.search.max_depth \(0\): "),
        ("sklearn", {"estimator": FOREST, "params": {"depth": 3}}, r"^algorithms.a.params.depth: .*unexpected keyword"),
        ("sklearn", {"estimator": "sklearn.svm.LinearSVC"}, r"^algorithms.a.params: LinearSVC .* gives no probabilities"),
        ("sklearn", {"estimator": "sklearn.svm.SVC"}, r"^algorithms.a.params: SVC .*; set `probability: true`"),
        ("sklearn", {"estimator": "sklearn.linear_model.Ridge"}, r"^algorithms.a.params: Ridge .* no probabilities"),
        ("sklearn", {"estimator": "sklearn.ensemble.Forest"}, r"^algorithms.a: estimator .*cannot be imported"),
    ],
)  # fmt: skip
def test_what_a_library_refuses(kind: str, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_algorithm(algorithm(kind, parts), problem_of("binary_classification"), "algorithms.a")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("xgboost", "multiclass_classification"), ("lightgbm", "regression"), ("xgboost", "regression")],
)
def test_what_a_library_takes(kind: str, problem: str) -> None:
    params = {"n_estimators": 5000, "objective": "tweedie" if kind == "lightgbm" else "reg:gamma"}
    trees = algorithm(kind, {"params": params if problem == "regression" else {"n_estimators": 5000}})
    check_algorithm(trees, problem_of(problem), "algorithms.a")
    assert trees.params["n_estimators"] == 5000


def test_an_estimator_of_ones_own_declares_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loose_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "loose_models", raising=False)
    estimator = "loose_models.Churner"
    check_algorithm(Sklearn(estimator=estimator, params={"strength": -1}), problem_of("regression"), "algorithms.a")
    with pytest.raises(ConfigurationError, match=r"^algorithms.a.params.strenght: .*unexpected keyword"):
        check_algorithm(Sklearn(estimator=estimator, params={"strenght": 1}), problem_of("regression"), "algorithms.a")
    (tmp_path / "loose_models.py").write_text("raise OSError('no licence')\n")
    monkeypatch.delitem(sys.modules, "loose_models", raising=False)
    with pytest.raises(ConfigurationError, match="'loose_models.Churner' cannot be imported: no licence; it must be"):
        check_algorithm(Sklearn(estimator=estimator), problem_of("regression"), "algorithms.a")


def test_what_ships(churn: Pipeline) -> None:
    assert isinstance(churn, TabularPipeline)
    for shipped in churn.algorithms.values():
        check_algorithm(shipped, problem_of(churn.problem), "algorithms.a")


def test_a_classifier_cannot_predict_numbers() -> None:
    with pytest.raises(ConfigurationError, match="RandomForestClassifier is a classifier, and a regression predicts"):
        check_algorithm(Sklearn(estimator=FOREST), problem_of("regression"), "algorithms.a")


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("lightgbm", {"monotone_constraints": [1, 0, -1], "class_weight": {"Yes": 2, "No": 1}}),
        ("xgboost", {"monotone_constraints": [1, 0, -1], "interaction_constraints": [[0, 2]]}),
    ],
)
def test_what_depends_on_the_table_is_tried_later(kind: str, params: dict[str, Any]) -> None:
    check_algorithm(algorithm(kind, {"params": params}), problem_of("binary_classification"), "algorithms.a")
