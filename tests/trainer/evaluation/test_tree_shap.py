"""SHAP values add up to the model's answers, by input column; what has no trees is told apart."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from trainer.errors import ModelRefusedError
from trainer.evaluation import tree_shap as module
from trainer.evaluation.tree_shap import affordable_rows, leaves_and_depth, tree_shap, why_no_trees
from trainer.inference.fitted import FittedPipeline, TabularPreparation, fit_preparation
from trainer.pipeline import Features, Preprocess
from trainer.problems import problem_of

ROWS = 240
COLUMNS = ["signal", "noise", "colour", "double"]


def table() -> pl.DataFrame:
    random = np.random.default_rng(7)
    return pl.DataFrame({
        "signal": random.normal(size=ROWS),
        "noise": random.normal(size=ROWS),
        "colour": random.choice(["red", "green", "blue"], ROWS),
    })


def fitted(estimator: Any, problem: str, positive: str | None = None) -> FittedPipeline:
    rows = table()
    preparation = fit_preparation(Features(derive={"double": "2 * noise"}), Preprocess(), rows)
    signal = rows["signal"]
    if problem == "regression":
        targets = (3 + signal.sin()).alias("y")
        classes: tuple[str, ...] = ()
    else:
        cuts, labels = ([0.0], ["no", "yes"]) if positive else ([-0.5, 0.5], ["low", "mid", "top"])
        targets = pl.Series("y", np.array(labels)[np.digitize(signal.to_numpy(), cuts)])
        classes = tuple(labels)
    estimator.fit(preparation.transform(rows), problem_of(problem).encode(targets, classes))
    return FittedPipeline(preparation, estimator, classes, positive)


BOOSTED = {"n_estimators": 10, "max_depth": 3}
TWO = "binary_classification"
MANY = "multiclass_classification"


def log_odds(model: FittedPipeline) -> np.ndarray:
    shares = model.predict(table())["probability"].to_numpy()
    odds: np.ndarray = np.log(shares / (1 - shares))
    return odds


@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(XGBClassifier(**BOOSTED), id="xgboost"),
        pytest.param(LGBMClassifier(**BOOSTED, verbose=-1, n_jobs=1), id="lightgbm"),
        pytest.param(GradientBoostingClassifier(**BOOSTED), id="gradient-boosting"),
        pytest.param(HistGradientBoostingClassifier(max_iter=10), id="hist"),
    ],
)
def test_boosted_trees_add_up_to_the_log_odds_of_the_positive_class(estimator: Any, positive: str) -> None:
    model = fitted(estimator, TWO, positive)
    found = tree_shap(model, table())
    assert found.unit == "log-odds"
    assert [*found.values] == ["signal", "noise", "double", "colour"]
    np.testing.assert_allclose(sum(found.values.values()) + found.base, log_odds(model), atol=1e-4)


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_a_forest_adds_up_to_the_probability(positive: str) -> None:
    model = fitted(RandomForestClassifier(10, random_state=1), TWO, positive)
    found = tree_shap(model, table())
    assert found.unit == "probability"
    sums = sum(found.values.values()) + found.base
    np.testing.assert_allclose(sums, model.predict(table())["probability"].to_numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "unit"),
    [
        pytest.param(XGBRegressor(**BOOSTED), "units of the target", id="xgboost"),
        pytest.param(LGBMRegressor(**BOOSTED, verbose=-1, n_jobs=1), "units of the target", id="lightgbm"),
        pytest.param(ExtraTreesRegressor(10), "units of the target", id="extra-trees"),
        pytest.param(DecisionTreeRegressor(), "units of the target", id="tree"),
        pytest.param(XGBRegressor(**BOOSTED, objective="count:poisson"), "logarithm of the target", id="poisson"),
        pytest.param(HistGradientBoostingRegressor(max_iter=10, loss="poisson"), "logarithm of the target", id="hist"),
    ],
)
def test_regressions_add_up_to_the_prediction_or_its_logarithm(estimator: Any, unit: str) -> None:
    model = fitted(estimator, "regression")
    found = tree_shap(model, table())
    predicted = model.predict(table())["prediction"].to_numpy()
    assert found.unit == unit
    expected = np.log(predicted) if unit.startswith("log") else predicted
    np.testing.assert_allclose(sum(found.values.values()) + found.base, expected, atol=1e-4)


@pytest.mark.parametrize(
    "estimator",
    [XGBClassifier(**BOOSTED), LGBMClassifier(**BOOSTED, verbose=-1, n_jobs=1), RandomForestClassifier(10)],
    ids=["xgboost", "lightgbm", "forest"],
)
def test_of_many_classes_each_has_its_values_and_the_predicted_one_is_shown(estimator: Any) -> None:
    model = fitted(estimator, MANY)
    found = tree_shap(model, table())
    assert found.values["colour"].shape == (ROWS, 3)
    sums = found.base + sum(found.values.values())
    shown = found.of_predicted_class()
    np.testing.assert_allclose(sum(shown.values.values()) + shown.base, sums.max(axis=1))
    predicted = [model.classes.index(label) for label in model.predict(table())["prediction"]]
    np.testing.assert_allclose(sums[np.arange(ROWS), predicted], sums.max(axis=1))  # of equal ones either is shown


def test_the_columns_of_one_input_are_summed() -> None:
    model = fitted(XGBClassifier(**BOOSTED), TWO, "yes")
    values, _ = module._shap_values(model.estimator, model.preparation.transform(table()))
    names = cast("TabularPreparation", model.preparation).preprocessor.names
    colours = [place for place, name in enumerate(names) if name.startswith("colour=")]
    assert len(colours) == 3
    np.testing.assert_allclose(tree_shap(model, table()).values["colour"], values[:, colours].sum(axis=1))


@pytest.mark.parametrize(
    ("estimator", "problem", "why"),
    [
        (LogisticRegression(), TWO, "LogisticRegression is no ensemble of trees"),
        (AdaBoostClassifier(n_estimators=2), TWO, "AdaBoostClassifier is no ensemble of trees"),
        (XGBClassifier(booster="gblinear"), TWO, "XGBoost's linear booster has no trees"),
        (LGBMRegressor(linear_tree=True, verbose=-1, n_estimators=2), "regression", "linear trees have no SHAP values"),
        (GradientBoostingClassifier(n_estimators=2), MANY, "for two classes and log_loss alone"),
        (GradientBoostingClassifier(n_estimators=2, loss="exponential"), TWO, "for two classes and log_loss alone"),
        (GradientBoostingClassifier(n_estimators=2, init="zero"), TWO, "with an `init` of its own"),
    ],
    ids=["linear", "other-ensemble", "linear-booster", "linear-trees", "many-classes", "other-loss", "init"],
)
def test_what_has_no_shap_values_of_trees_is_told_apart(estimator: Any, problem: str, why: str) -> None:
    model = fitted(estimator, problem, "yes" if problem == TWO else None)
    assert why in why_no_trees(model.estimator)


def test_a_forest_is_explained_on_as_many_rows_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = fitted(RandomForestClassifier(10, random_state=1), TWO, "yes").estimator
    leaves, depth = leaves_and_depth(forest)
    assert leaves == sum(tree.get_n_leaves() for tree in forest.estimators_) > 50
    assert why_no_trees(forest) == ""
    monkeypatch.setattr(module, "MOST_WORK", 40 * leaves * depth**2)
    assert affordable_rows(forest) == 40
    monkeypatch.setattr(module, "MOST_WORK", 29 * leaves * depth**2)
    assert (
        why_no_trees(forest)
        == f"the SHAP values of a RandomForestClassifier with {leaves:,} leaves would take too long"
    )


def test_values_that_do_not_add_up_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(XGBClassifier(**BOOSTED), TWO, "yes")
    values, base = module._shap_values(model.estimator, model.preparation.transform(table()))
    monkeypatch.setattr(module, "_shap_values", lambda *_: (values * 1.1, base))
    with pytest.raises(ModelRefusedError, match="XGBClassifier do not add up to its answers: they differ by up to 0"):
        tree_shap(model, table())


def test_an_estimator_that_shap_does_not_know_is_refused_by_name() -> None:
    model = fitted(AdaBoostClassifier(n_estimators=2), TWO, "yes")
    with pytest.raises(ModelRefusedError, match="SHAP cannot explain AdaBoostClassifier: InvalidModelError: "):
        tree_shap(model, table())


def test_native_categories_are_explained() -> None:
    rows, codes = table(), (table()["colour"] == "green").cast(int).to_numpy()
    preparation = fit_preparation(Features(), Preprocess(categorical="native"), rows)
    kinds = ["c" if one else "q" for one in preparation.preprocessor.is_category]
    model = XGBClassifier(**BOOSTED, feature_types=kinds, enable_categorical=True).fit(
        preparation.transform(rows), codes
    )
    found = tree_shap(FittedPipeline(preparation, model, ("no", "yes"), "yes"), rows).values
    assert np.abs(found["colour"]).mean() > 10 * np.abs(found["signal"]).mean()
