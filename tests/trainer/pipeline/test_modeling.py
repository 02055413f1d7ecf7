"""What a pipeline may say about models, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.pipeline import Choice, EarlyStopping, Features, LightGBM, Preprocess, Range, Sklearn, Tuning, XGBoost


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"low": 1, "high": 8}, id="whole"),
        pytest.param({"low": 1, "high": 1}, id="one-value"),
        pytest.param({"low": 50, "high": 400, "step": 10}, id="step"),
        pytest.param({"low": 0.0, "high": 1.0, "step": 0.25}, id="broken-step"),
        pytest.param({"low": 0.01, "high": 0.3, "log": True}, id="log"),
        pytest.param({"low": -1.0, "high": 1.0}, id="negative"),
    ],
)
def test_ranges(values: dict[str, Any]) -> None:
    assert Range(**values).model_dump(exclude_defaults=True) == values


def test_whole_ends_stay_whole() -> None:
    space = Range.model_validate({"low": 1, "high": 2.5})
    assert (type(space.low), type(space.high)) == (int, float)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"low": 2, "high": 1}, r"low \(2\) is above high \(1\)", id="order"),
        pytest.param({"low": 0, "high": 1, "log": True}, "a logarithmic range needs low above 0, not 0", id="log-zero"),
        pytest.param({"low": 1, "high": 9, "log": True, "step": 2}, "a logarithmic range takes no step", id="log-step"),
        pytest.param({"low": 1, "high": 9, "step": 0}, "a step has to be above 0, not 0", id="step-zero"),
        pytest.param({"low": 0.1, "high": 0.9, "step": -0.1}, "a step has to be above 0", id="step-negative"),
        pytest.param({"low": 1, "high": 9, "step": 0.5}, "searched in whole steps, not 0.5", id="broken-step"),
        pytest.param({"low": 1, "high": float("inf")}, "finite number", id="infinite"),
    ],
)
def test_ranges_that_cannot_be_searched(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Range(**values)


def test_choices_keep_their_types() -> None:
    values = ["sqrt", 1, 0.5, True, None]
    assert [type(value) for value in Choice(choices=values).choices] == [type(value) for value in values]


@pytest.mark.parametrize(
    "estimator",
    ["sklearn.linear_model.LogisticRegression", "package.Class", "_private.module.Model"],
)
def test_estimators_are_import_paths(estimator: str) -> None:
    assert Sklearn(estimator=estimator).estimator == estimator


@pytest.mark.parametrize("estimator", ["LogisticRegression", "a.b()", "a b.C", "1a.B", ".B", "a.1b", ""])
def test_other_estimators_are_refused(estimator: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Sklearn(estimator=estimator)


def test_kinds() -> None:
    assert [XGBoost().KIND, LightGBM().KIND, Sklearn(estimator="a.B").KIND] == ["xgboost", "lightgbm", "sklearn"]


@pytest.mark.parametrize(
    ("model", "values"),
    [
        pytest.param(Tuning, {"trials": 0}, id="trials"),
        pytest.param(Tuning, {"trials": 10_001}, id="too-many-trials"),
        pytest.param(Tuning, {"timeout_minutes": 0}, id="timeout"),
        pytest.param(Tuning, {"folds": 1}, id="one-fold"),
        pytest.param(Tuning, {"folds": 21}, id="too-many-folds"),
        pytest.param(Tuning, {"parallel_folds": 0}, id="parallel"),
        pytest.param(Tuning, {"startup_trials": 0}, id="startup"),
        pytest.param(Tuning, {"workers": 0}, id="no-worker"),
        pytest.param(Tuning, {"workers": 65}, id="too-many-workers"),
        pytest.param(EarlyStopping, {"rounds": 0}, id="rounds"),
        pytest.param(EarlyStopping, {"holdout": 0}, id="no-holdout"),
        pytest.param(EarlyStopping, {"holdout": 0.5}, id="half-held-out"),
    ],
)
def test_bounds(model: type[Tuning | EarlyStopping], values: dict[str, Any]) -> None:
    needed = {"metric": "auc_roc"} if model is Tuning else {}
    with pytest.raises(ValidationError, match=next(iter(values))):
        model.model_validate({**needed, **values})


@pytest.mark.parametrize("name", ["1a", "a-b", "a b", ""])
def test_features_have_names_that_expressions_can_use(name: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Features(derive={name: "a + 1"})


def test_preprocess_takes_known_ways_only() -> None:
    assert Preprocess() == Preprocess(numeric="median", categorical="one_hot")
    with pytest.raises(ValidationError, match="'median' or 'mean'"):
        Preprocess.model_validate({"numeric": "mode"})
