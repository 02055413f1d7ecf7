"""Cross-validation: whatever is fitted is fitted inside each fold, on its training rows."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import AnyAlgorithm, EarlyStopping, Sklearn, TabularPipeline, XGBoost, parse_pipeline
from trainer.problems import problem_of
from trainer.tables.row_subset import all_of
from trainer.training.estimators import fit_estimator
from trainer.training.libraries.sklearn import SklearnLibrary
from trainer.training.libraries.xgboost import XGBoostLibrary
from trainer.tuning.cross_validation import Fold, fold_scores, make_folds

PIPELINE = """
name: leavers
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: /data/rows.csv}
columns: {target: y, positive: "yes"}
features: {fit: {largest: max(n)}, derive: {share: n / largest}}
algorithms: {logistic: {KIND: sklearn, estimator: sklearn.linear_model.LogisticRegression}}
tuning: {metric: auc_roc, folds: 4}
gates: {against_production: {metric: auc_roc}}
registry: {model: leavers, experiment: leavers}
"""
REGRESSION = (
    PIPELINE.replace("binary_classification", "regression").replace(', positive: "yes"', "").replace("auc_roc", "rmse")
)
LOGISTIC = Sklearn(estimator="sklearn.linear_model.LogisticRegression", params={"solver": "newton-cholesky"})
COUNT = 200
RANDOM = np.random.default_rng(8)
NUMBERS = RANDOM.permutation(np.arange(1, COUNT + 1)).astype(float)
ROWS = pl.DataFrame({
    "n": pl.Series(NUMBERS).set(pl.Series(np.arange(COUNT) % 10 == 0), None),
    "t": np.where(np.arange(COUNT) == 0, "only here", RANDOM.choice(["a", "b"], COUNT)).tolist(),
})
TARGETS = pl.Series("y", np.where(NUMBERS + RANDOM.normal(0, 40, COUNT) > 130, "yes", "no").tolist())


def tabular(text: str) -> TabularPipeline:
    made = parse_pipeline(text, "leavers.yaml")
    assert isinstance(made, TabularPipeline)
    return made


@pytest.fixture(scope="module")
def pipeline() -> TabularPipeline:
    return tabular(PIPELINE)


@pytest.fixture(scope="module")
def folds(pipeline: TabularPipeline) -> list[Fold]:
    return make_folds(pipeline, pipeline.algorithms["logistic"], all_of(ROWS), TARGETS)


def scores(
    folds: list[Fold], pipeline: TabularPipeline, algorithm: AnyAlgorithm = LOGISTIC, workers: int = 1, **options: Any
) -> list[float]:
    options = {"early_stopping": None, **options}
    return [score.value for score in fold_scores(folds, algorithm, pipeline, workers=workers, **options)]


def test_each_row_is_held_out_once(folds: list[Fold]) -> None:
    held = pl.concat([fold.held_out.collect() for fold in folds])
    assert len(folds) == 4
    assert held.sort("n", "t").equals(ROWS.sort("n", "t"))
    assert all(len(fold.train.targets) + fold.held_out.height == COUNT for fold in folds)


def test_folds_are_stratified(folds: list[Fold]) -> None:
    shares = [float(np.mean(fold.held_out_targets.to_numpy() == "yes")) for fold in folds]
    assert shares == pytest.approx([float(np.mean(TARGETS.to_numpy() == "yes"))] * 4, abs=0.03)


def test_constants_are_fitted_inside_each_fold(folds: list[Fold]) -> None:
    """The largest value is held out in one fold alone, whose constant is therefore another one."""
    largest = ROWS["n"].max()
    constants = [fold.preparation.features.constants["largest"] for fold in folds]
    holding = [largest in fold.held_out.collect()["n"] for fold in folds]
    assert sum(holding) == 1
    assert [constant != largest for constant in constants] == holding


def test_imputers_are_fitted_inside_each_fold(folds: list[Fold]) -> None:
    stand_ins = [fold.preparation.preprocessor.numeric["n"] for fold in folds]
    held = [fold.held_out.collect() for fold in folds]
    medians = [ROWS.join(rows, on=["n", "t"], how="anti", nulls_equal=True)["n"].median() for rows in held]
    assert stand_ins == medians
    assert len(set(stand_ins)) > 1


def test_encoders_are_fitted_inside_each_fold(folds: list[Fold]) -> None:
    """A category of a single row is not known to the fold that holds this row out."""
    known = ["t=only here" in fold.preparation.preprocessor.names for fold in folds]
    held = ["only here" in fold.held_out.collect()["t"] for fold in folds]
    assert sum(held) == 1
    assert known == [not held_out for held_out in held]


def test_folds_side_by_side_give_the_scores_of_one_after_the_other(
    folds: list[Fold], pipeline: TabularPipeline
) -> None:
    model = XGBoost(params={"n_estimators": 10, "subsample": 0.7})
    alone = scores(folds, pipeline, model)
    assert [scores(folds, pipeline, model, workers) for workers in (2, 3, 9)] == [alone] * 3
    assert len(set(alone)) > 1


def test_a_fold_has_the_score_of_its_held_out_rows(folds: list[Fold], pipeline: TabularPipeline) -> None:
    from sklearn.metrics import roc_auc_score

    fold = folds[0]
    estimator = fit_estimator(LOGISTIC, fold.train, problem_of(pipeline.problem), seed=42, threads=1)
    shares = estimator.predict_proba(fold.preparation.transform(fold.held_out.collect()))[:, 1]
    assert scores(folds, pipeline)[0] == pytest.approx(roc_auc_score(fold.held_out_targets == "yes", shares))


def test_who_stops_asking_stops_the_work(
    folds: list[Fold], pipeline: TabularPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[Any] = []
    real = SklearnLibrary.fit

    def fit(self: SklearnLibrary, estimator: Any, rows: Any) -> Any:
        fitted.append(estimator)
        return real(self, estimator, rows)

    monkeypatch.setattr(SklearnLibrary, "fit", fit)
    asked = fold_scores(folds, LOGISTIC, pipeline, workers=1, early_stopping=None)
    next(asked)
    asked.close()
    assert len(fitted) == 1


def test_early_stopping_never_sees_the_held_out_rows(
    folds: list[Fold], pipeline: TabularPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = XGBoostLibrary.fit_until_flat

    def fit(self: XGBoostLibrary, estimator: Any, kept: Any, held_out: Any, rounds: int) -> Any:
        seen.append(np.concatenate([kept.matrix, held_out.matrix]))
        return real(self, estimator, kept, held_out, rounds)

    monkeypatch.setattr(XGBoostLibrary, "fit_until_flat", fit)
    model, rule = XGBoost(params={"n_estimators": 200}), EarlyStopping(rounds=5)
    found = list(fold_scores(folds, model, pipeline, workers=1, early_stopping=rule))
    for fold, rows in zip(folds, seen, strict=True):
        assert np.array_equal(np.sort(rows, axis=0), np.sort(fold.train.matrix, axis=0))
    assert all(score.rounds is not None and 0 < score.rounds < 200 for score in found)


def test_numbers_are_split_without_classes() -> None:
    pipeline = tabular(REGRESSION)
    folds = make_folds(pipeline, pipeline.algorithms["logistic"], all_of(ROWS), pl.Series("y", NUMBERS))
    assert [fold.classes for fold in folds] == [()] * 4
    assert all(0 < value < 60 for value in scores(folds, pipeline, Sklearn(estimator="sklearn.linear_model.Ridge")))


def test_a_class_needs_a_row_in_each_fold(pipeline: TabularPipeline) -> None:
    targets = pl.Series("y", ["no"] * (COUNT - 3) + ["yes"] * 3)
    with pytest.raises(
        DataValidationError, match=r"target 'y': class 'yes' has 3 training rows, fewer than 4 folds; get more"
    ):
        make_folds(pipeline, pipeline.algorithms["logistic"], all_of(ROWS), targets)


def days(count: int, a_day: int = 4) -> pl.Series:
    """The times of rows, in another order than theirs."""
    start = date(2026, 1, 1)
    times = pl.Series("day", [start + timedelta(days=number // a_day) for number in range(count)])
    return times.sample(fraction=1.0, shuffle=True, seed=2)


def test_by_time_each_fold_is_judged_on_what_came_later() -> None:
    pipeline, times = tabular(REGRESSION), days(COUNT)
    folds = make_folds(pipeline, pipeline.algorithms["logistic"], all_of(ROWS), pl.Series("y", NUMBERS), times=times)
    day_of = dict(zip(NUMBERS.tolist(), times, strict=True))
    spans = [
        ([day_of[value] for value in fold.train.targets.tolist()], [day_of[value] for value in fold.held_out_targets])
        for fold in folds
    ]
    assert len(spans) == 4
    assert all(max(learned) < min(held) for learned, held in spans)
    assert all({*learned, *held} == {*following[0]} for (learned, held), following in itertools.pairwise(spans))
    assert max(spans[-1][1]) == times.max()
    assert all(len(held) % 4 == 0 for _, held in spans), "a day is not cut"


def test_too_few_moments_for_the_folds_are_refused() -> None:
    pipeline = tabular(REGRESSION)
    with pytest.raises(DataValidationError, match="the training rows have 4 different times, too few for 4 folds"):
        make_folds(
            pipeline,
            pipeline.algorithms["logistic"],
            all_of(ROWS),
            pl.Series("y", NUMBERS),
            times=days(COUNT, a_day=50),
        )


def test_a_class_that_only_came_later_is_refused(pipeline: TabularPipeline) -> None:
    times = days(COUNT).sort()
    targets = pl.Series("y", ["no"] * (COUNT - 100) + ["yes", "no"] * 50)
    with pytest.raises(DataValidationError, match="class 'yes' is absent from the rows that a fold learns from"):
        make_folds(pipeline, pipeline.algorithms["logistic"], all_of(ROWS), targets, times=times)


@pytest.mark.parametrize("text", [PIPELINE, REGRESSION], ids=["classes", "numbers"])
def test_rows_of_a_group_are_in_one_fold_and_on_one_side_of_early_stopping(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, groups = tabular(text), pl.Series([f"g{number % 25}" for number in range(COUNT)])
    targets = pl.Series("y", NUMBERS) if text is REGRESSION else TARGETS
    folds = make_folds(pipeline, XGBoost(), all_of(ROWS), targets, groups=groups)
    group_of = dict(zip(NUMBERS.tolist(), groups, strict=True))
    held = [{*groups.filter(fold.held_out.is_chosen)} for fold in folds]
    assert sorted(group for one in held for group in one) == sorted(groups.unique())
    assert not any({*fold.groups} & out for fold, out in zip(folds, held, strict=True) if fold.groups is not None)
    if text is not REGRESSION:
        return
    sides: list[set[str]] = []

    def spy(_self: Any, estimator: Any, kept: Any, held_out: Any, rounds: int) -> Any:
        assert rounds == 5
        sides.extend({group_of[number] for number in rows.targets} for rows in (kept, held_out))
        return estimator.fit(kept.matrix, kept.targets)

    monkeypatch.setattr(XGBoostLibrary, "fit_until_flat", spy)
    scores(folds[:1], pipeline, XGBoost(), early_stopping=EarlyStopping(rounds=5, max_rounds=10))
    kept, aside = sides
    assert aside
    assert not kept & aside


def test_fewer_groups_than_folds_are_refused(pipeline: TabularPipeline) -> None:
    groups = pl.Series([str(number % 3) for number in range(COUNT)])
    with pytest.raises(DataValidationError, match="the training rows have 3 groups, too few for 4 folds"):
        make_folds(pipeline, LOGISTIC, all_of(ROWS), TARGETS, groups=groups)


def test_an_input_that_is_empty_in_a_fold_is_neutral_there(pipeline: TabularPipeline) -> None:
    held = make_folds(pipeline, LOGISTIC, all_of(ROWS), TARGETS)[0].held_out.is_chosen
    rare = pl.Series("rare", [1e9 if one else None for one in held], dtype=pl.Float64)
    words = pl.Series("word", [None if value is None else "x" for value in rare], dtype=pl.String)
    folds = make_folds(pipeline, LOGISTIC, all_of(ROWS.with_columns(rare, words)), TARGETS)
    plain = make_folds(pipeline, LOGISTIC, all_of(ROWS), TARGETS)
    assert scores(folds[:1], pipeline) == pytest.approx(scores(plain[:1], pipeline), abs=1e-6)
