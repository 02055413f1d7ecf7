"""XGBoost fed a batch at a time: the model that scikit-learn's `fit` gives, whatever the problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import xgboost

from trainer.errors import ModelTrainingError
from trainer.pipeline import EarlyStopping, XGBoost
from trainer.problems import problem_of
from trainer.training.estimators import boosting_rounds, fit_estimator, fit_with_curve
from trainer.training.learning_curve import TrainingCurve
from trainer.training.libraries import library_of, xgboost_batches
from trainer.training.libraries.xgboost_batches import can_be_fed, fit_from_batches
from trainer.training.training_rows import HeldRows

COUNT = 600
RANDOM = np.random.default_rng(6)
FEATURES = RANDOM.integers(0, 100, (COUNT, 5)).astype(float)  # so few values that each has a bin of its own
NUMBERS = FEATURES[:, 0] - FEATURES[:, 1] + RANDOM.normal(0, 5, COUNT)
TARGETS = {
    "regression": NUMBERS,
    "binary_classification": (NUMBERS > 0).astype(int),
    "multiclass_classification": np.digitize(NUMBERS, [-20, 20]),
}
TREES = {"n_estimators": 12, "max_depth": 3, "learning_rate": 0.3}


@dataclass(frozen=True, eq=False)
class ManyRows(HeldRows):
    """Rows in batches of a hundred, as if they were too many to hold."""

    is_streamed: bool = True

    def batches(self) -> Iterator[tuple[Any, Any]]:
        for begin in range(0, len(self.targets), 100):
            yield self.matrix[begin : begin + 100], self.targets[begin : begin + 100]

    def some(self, places: Any) -> ManyRows:
        return ManyRows(self.matrix[places], self.targets[places])


def rows_of(problem: str, kind: type[HeldRows] = ManyRows) -> HeldRows:
    return kind(FEATURES, TARGETS[problem])


def fit(problem: str, kind: type[HeldRows], params: dict[str, Any] | None = None, **options: Any) -> Any:
    trees = XGBoost(params={**TREES, **(params or {})})
    return fit_estimator(trees, rows_of(problem, kind), problem_of(problem), seed=3, threads=1, **options)


def answers(estimator: Any) -> Any:
    return getattr(estimator, "predict_proba", estimator.predict)(FEATURES)


@pytest.fixture(autouse=True)
def fed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was fitted from batches."""
    seen: list[Any] = []
    real = fit_from_batches

    def spy(estimator: Any, *rows: Any) -> Any:
        seen.append(estimator)
        return real(estimator, *rows)

    monkeypatch.setattr(xgboost_batches, "fit_from_batches", spy)
    return seen


@pytest.mark.parametrize("problem", TARGETS)
@pytest.mark.parametrize(
    "params",
    [{}, {"subsample": 0.6, "colsample_bytree": 0.8}, {"max_bin": 16, "reg_alpha": 1.0}, {"booster": "dart"}],
    ids=["plain", "sampled", "bins", "dart"],
)
def test_the_model_is_that_of_the_whole_matrix(problem: str, params: dict[str, Any], fed: list[Any]) -> None:
    streamed, whole = (fit(problem, kind, params) for kind in (ManyRows, HeldRows))
    assert fed == [streamed]
    if "max_bin" not in params:  # where values share bins, the sketch of many batches may draw them elsewhere
        np.testing.assert_allclose(answers(streamed), answers(whole), rtol=1e-5, atol=1e-6)
    assert np.corrcoef(answers(streamed).ravel(), answers(whole).ravel())[0, 1] > 0.97
    kept = ("objective", "random_state", "n_estimators", "max_depth", "n_jobs", "device", "callbacks")
    assert {name: streamed.get_params()[name] for name in kept} == {name: whole.get_params()[name] for name in kept}
    if problem != "regression":
        assert streamed.classes_.tolist() == whole.classes_.tolist()


def test_an_objective_of_its_own_is_kept() -> None:
    streamed, whole = (fit("regression", kind, {"objective": "reg:absoluteerror"}) for kind in (ManyRows, HeldRows))
    assert streamed.objective == whole.objective == "reg:absoluteerror"
    np.testing.assert_allclose(answers(streamed), answers(whole), rtol=1e-5)
    assert fit("multiclass_classification", ManyRows, {"objective": "multi:softmax"}).objective == "multi:softmax"


@pytest.mark.parametrize("problem", TARGETS)
def test_boosting_stops_after_the_same_rounds(problem: str) -> None:
    rule = EarlyStopping(rounds=5, holdout=0.25)
    params = {"n_estimators": 300}
    streamed, whole = (fit(problem, kind, params, early_stopping=rule) for kind in (ManyRows, HeldRows))
    assert boosting_rounds(streamed) == boosting_rounds(whole)
    assert 1 <= (boosting_rounds(streamed) or 0) < 300
    np.testing.assert_allclose(answers(streamed), answers(whole), rtol=1e-5, atol=1e-6)


def followed(kind: type[HeldRows]) -> list[Any]:
    """The points of the curve."""
    rows, points = rows_of("binary_classification", kind), list[Any]()
    curve = TrainingCurve(rows, rows, classes=True, log=lambda *point: points.append(point))
    estimator = fit_with_curve(
        XGBoost(params=TREES), rows, problem_of("binary_classification"), curve, seed=3, threads=1
    )
    assert estimator.get_params()["callbacks"] is None
    return points


def test_boosting_is_followed_round_by_round() -> None:
    streamed, whole = followed(ManyRows), followed(HeldRows)
    assert [point[0] for point in streamed] == list(range(1, 13))
    np.testing.assert_allclose(streamed, whole, rtol=1e-5)


@pytest.mark.parametrize("params", [{"tree_method": "exact"}, {"booster": "gblinear"}], ids=["exact", "linear"])
def test_what_needs_the_values_themselves_gets_them(params: dict[str, Any], fed: list[Any]) -> None:
    estimator = fit("regression", ManyRows, params)
    assert not can_be_fed(estimator)
    assert fed == []
    assert np.corrcoef(answers(estimator), NUMBERS)[0, 1] > 0.7


def test_rows_that_cannot_be_made_end_the_fit() -> None:
    class Broken(ManyRows):
        def batches(self) -> Iterator[tuple[Any, Any]]:
            yield from list(super().batches())[:2]
            raise ValueError("the file is gone")

    with pytest.raises(ModelTrainingError, match="XGBRegressor could not be fitted: the file is gone"):
        fit_estimator(XGBoost(params=TREES), rows_of("regression", Broken), problem_of("regression"), seed=3, threads=1)


def test_the_bins_of_rows_that_are_held_out_are_those_of_the_training_rows() -> None:
    trees = XGBoost(params={**TREES, "early_stopping_rounds": 3, "eval_metric": "mae"})
    built = library_of(trees).build(trees, problem_of("regression"), 3, 1)
    kept, held = rows_of("regression"), ManyRows(FEATURES[:50] * 1.5, NUMBERS[:50])
    fitted = fit_from_batches(built, kept, held)
    assert isinstance(fitted, xgboost.XGBRegressor)
    assert fitted.best_score == pytest.approx(float(np.abs(fitted.predict(held.matrix) - held.targets).mean()), rel=0.2)
