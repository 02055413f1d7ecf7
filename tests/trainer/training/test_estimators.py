"""Estimators: repeatable, stopped early, followed while they are fitted, and prepared for serving."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from trainer.errors import ConfigurationError, ModelTrainingError
from trainer.pipeline import AnyAlgorithm, EarlyStopping, LightGBM, Sklearn, XGBoost
from trainer.problems import problem_of
from trainer.training.estimators import boosting_rounds, fit_estimator, fit_with_curve
from trainer.training.learning_curve import TrainingCurve
from trainer.training.libraries import library_of
from trainer.training.training_rows import HeldRows

ROWS = 400
RANDOM = np.random.default_rng(5)
FEATURES = RANDOM.normal(size=(ROWS, 4))
NUMBERS = FEATURES[:, 0] + 0.5 * FEATURES[:, 1] ** 2 + RANDOM.normal(0, 0.3, ROWS)
CODES = (np.quantile(NUMBERS, 0.7) < NUMBERS).astype(int)
LEAVERS = HeldRows(FEATURES, CODES)

TREES = {"n_estimators": 15, "max_depth": 3}
ALGORITHMS: dict[str, AnyAlgorithm] = {
    "xgboost": XGBoost(params={**TREES, "subsample": 0.7}),
    "lightgbm": LightGBM(params={**TREES, "bagging_fraction": 0.7, "bagging_freq": 1}),
    "forest": Sklearn(estimator="sklearn.ensemble.RandomForestClassifier", params=TREES),
    "logistic": Sklearn(estimator="sklearn.linear_model.LogisticRegression"),
}
BOOSTED: dict[str, AnyAlgorithm] = {
    name: ALGORITHMS[name].model_copy(update={"params": {"n_estimators": 400}}) for name in ("xgboost", "lightgbm")
}


def fit(algorithm: AnyAlgorithm, problem: str = "binary_classification", **options: Any) -> Any:
    targets = NUMBERS if problem == "regression" else CODES
    options = {"seed": 7, "threads": 1, **options}
    return fit_estimator(algorithm, HeldRows(FEATURES, targets), problem_of(problem), **options)


def follow(algorithm: AnyAlgorithm, curve: TrainingCurve) -> Any:
    return fit_with_curve(algorithm, LEAVERS, problem_of("binary_classification"), curve, seed=7, threads=1)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_equal_seeds_give_equal_predictions(algorithm: AnyAlgorithm) -> None:
    first, second = (fit(algorithm).predict_proba(FEATURES) for _ in range(2))
    assert np.array_equal(first, second)
    assert (first.argmax(axis=1) == CODES).mean() > 0.8


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest"])
def test_another_seed_gives_another_model(name: str) -> None:
    first, second = (fit(ALGORITHMS[name], seed=seed).predict_proba(FEATURES) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", ["lightgbm", "forest"])
def test_the_number_of_threads_does_not_change_the_model(name: str) -> None:
    first, second = (fit(ALGORITHMS[name], threads=threads).predict_proba(FEATURES) for threads in (1, 2))
    np.testing.assert_allclose(first, second, atol=1e-12)  # a forest sums its trees in the order that they end in


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (XGBoost(params=TREES), "XGBRegressor"),
        (LightGBM(params=TREES), "LGBMRegressor"),
        (Sklearn(estimator="sklearn.linear_model.Ridge"), "Ridge"),
    ],
    ids=["xgboost", "lightgbm", "sklearn"],
)
def test_numbers_are_predicted_by_regressors(algorithm: AnyAlgorithm, kind: str) -> None:
    estimator = fit(algorithm, "regression")
    assert type(estimator).__name__ == kind
    assert np.corrcoef(estimator.predict(FEATURES), NUMBERS)[0, 1] > 0.7


def test_data_that_an_estimator_does_not_take() -> None:
    holes = np.where(FEATURES > 2, np.nan, FEATURES)
    with pytest.raises(ModelTrainingError, match="LogisticRegression could not be fitted: Input X contains NaN"):
        fit_estimator(
            ALGORITHMS["logistic"], HeldRows(holes, CODES), problem_of("binary_classification"), seed=1, threads=1
        )


@pytest.mark.parametrize("algorithm", BOOSTED.values(), ids=BOOSTED)
@pytest.mark.parametrize("problem", ["binary_classification", "regression"])
def test_boosting_stops_when_held_out_rows_stop_improving(algorithm: AnyAlgorithm, problem: str) -> None:
    estimator = fit(algorithm, problem, early_stopping=EarlyStopping(rounds=5, holdout=0.2))
    rounds = boosting_rounds(estimator)
    assert rounds is not None
    assert 1 <= rounds < 400


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "logistic"])
def test_without_early_stopping_there_are_no_rounds_to_tell(name: str) -> None:
    assert boosting_rounds(fit(ALGORITHMS[name])) is None


@pytest.mark.parametrize("name", ["forest", "logistic"])
def test_only_boosting_can_stop_early(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"tuning.early_stopping: .* is not boosted round by round"):
        fit(ALGORITHMS[name], early_stopping=EarlyStopping())


@pytest.mark.parametrize("algorithm", [XGBoost(params=TREES), LightGBM(params=TREES)], ids=["xgboost", "lightgbm"])
def test_early_stopping_looks_at_the_given_rows_alone(algorithm: AnyAlgorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    library = library_of(algorithm)
    real = library.fit_until_flat

    def spy(estimator: Any, kept: Any, held_out: Any, rounds: int) -> Any:
        seen.append((kept, held_out))
        return real(estimator, kept, held_out, rounds)

    monkeypatch.setattr(library, "fit_until_flat", spy)
    fit(algorithm, early_stopping=EarlyStopping(rounds=5, holdout=0.25))
    [(kept, held)] = seen
    assert len(held.matrix) == 100
    together = np.concatenate([kept.matrix, held.matrix])
    assert sorted(together[:, 0]) == sorted(FEATURES[:, 0])  # each row once, and no other row
    assert abs(kept.targets.mean() - held.targets.mean()) < 0.01


@pytest.mark.parametrize("problem", ["binary_classification", "regression"])
@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_boosting_is_followed_round_by_round_and_stays_the_same(name: str, problem: str) -> None:
    targets = (NUMBERS if problem == "regression" else CODES).astype(float)
    half = ROWS // 2
    training, validation = (HeldRows(FEATURES[rows], targets[rows]) for rows in (slice(half), slice(half, None)))
    points: list[Any] = []
    curve = TrainingCurve(
        training, validation, classes=problem != "regression", log=lambda *point: points.append(point)
    )
    followed = fit_with_curve(ALGORITHMS[name], training, problem_of(problem), curve, seed=7, threads=1)
    alone = fit_estimator(ALGORITHMS[name], training, problem_of(problem), seed=7, threads=1)
    assert np.array_equal(followed.predict(FEATURES), alone.predict(FEATURES))
    assert [point[0] for point in points] == list(range(1, 16))
    train_losses, validation_losses = [point[1] for point in points], [point[2] for point in points]
    assert train_losses == sorted(train_losses, reverse=True)
    assert validation_losses[0] > validation_losses[-1]
    answers = followed.predict_proba(FEATURES[half:])[:, 1] if problem != "regression" else None
    if answers is None:
        assert validation_losses[-1] == pytest.approx(
            np.mean((followed.predict(FEATURES[half:]) - targets[half:]) ** 2)
        )
        assert {point[3] for point in points} == {None}
    else:
        assert points[-1][3] == np.mean((answers > 0.5) == targets[half:])
    assert pickle.loads(pickle.dumps(followed)).get_params().get("callbacks") is None


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_each_point_is_told_while_the_fit_goes_on(name: str) -> None:
    class StopError(Exception):
        """Raised in the middle."""

    def log(epoch: int, train_loss: float, val_loss: float | None, accuracy: float | None) -> None:
        if epoch == 8:
            raise StopError

    curve = TrainingCurve(LEAVERS, LEAVERS, classes=True, log=log)
    with pytest.raises(StopError):
        follow(ALGORITHMS[name], curve)


@pytest.mark.parametrize("name", ["forest", "logistic"])
def test_what_has_no_rounds_has_one_point(name: str) -> None:
    points: list[Any] = []
    curve = TrainingCurve(LEAVERS, LEAVERS, classes=True, log=lambda *point: points.append(point))
    answers = follow(ALGORITHMS[name], curve).predict_proba(FEATURES)
    [(epoch, train_loss, val_loss, accuracy)] = points
    assert (epoch, train_loss) == (1, pytest.approx(val_loss))
    assert accuracy == np.mean(answers.argmax(axis=1) == CODES)


def test_memory_that_runs_out_while_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        def fit(self, *_: Any) -> None:
            raise MemoryError

    algorithm = Sklearn(estimator="any.Greedy")
    monkeypatch.setattr(library_of(algorithm), "build", lambda *_: Greedy())
    with pytest.raises(ModelTrainingError, match="Greedy: memory ran out; lower the run parameters `sample_ratio`"):
        fit(algorithm)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest"])
def test_a_model_serves_with_one_thread_unless_it_was_given_more(name: str) -> None:
    assert fit(ALGORITHMS[name], threads=2).get_params()["n_jobs"] == 1
    own = ALGORITHMS[name].model_copy(update={"params": {**TREES, "n_jobs": 2}})
    assert fit(own, threads=1).get_params()["n_jobs"] == 2
