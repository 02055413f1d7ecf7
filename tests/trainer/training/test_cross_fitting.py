"""Target encoding: the numbers of scikit-learn's TargetEncoder, and no training row knows its own target."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import TargetEncoder

from trainer.errors import ConfigurationError
from trainer.inference.target_encoding import target_columns
from trainer.pipeline import Features, LightGBM, Preprocess, Sklearn, XGBoost
from trainer.pipeline.document import validate
from trainer.problems import problem_of
from trainer.tables import row_subset
from trainer.tables.row_subset import ChosenRows
from trainer.training.cross_fitting import FOLDS, cross_fit
from trainer.training.estimators import fit_estimator
from trainer.training.tabular_job import TabularJob
from trainer.training.training_rows import fit_and_prepare

COUNT = 300
RANDOM = np.random.default_rng(11)
TABLE = pl.DataFrame({
    "city": [f"c{number}" for number in RANDOM.integers(0, 40, COUNT)],
    "kind": [["a", "b", None][number] for number in RANDOM.integers(0, 3, COUNT)],
})
ROWS = ChosenRows(TABLE.lazy(), pl.repeat(value=True, n=COUNT, eager=True))
TARGET = Preprocess(categorical="target")
NUMBERS = RANDOM.normal(1e6, 2.0, COUNT)
CASES = [
    pytest.param(NUMBERS, (), "continuous", id="numbers"),
    pytest.param((NUMBERS > 1e6).astype(int), ("no", "yes"), "binary", id="two classes"),
    pytest.param(np.digitize(NUMBERS, [1e6 - 1, 1e6 + 1]), ("a", "b", "c"), "multiclass", id="three classes"),
]


@pytest.mark.parametrize(("targets", "classes", "kind"), CASES)
def test_encodes_like_scikit_learn(targets: Any, classes: tuple[str, ...], kind: str) -> None:
    preparation, prepared = fit_and_prepare(LightGBM(), Features(), TARGET, ROWS, targets, classes, ())
    fold = cross_fit(preparation, ROWS, target_columns(targets, classes)).fold
    by_fold = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]
    theirs = TargetEncoder(target_type=kind, cv=by_fold)
    texts = TABLE.fill_null("missing").to_numpy()
    np.testing.assert_allclose(prepared.matrix, theirs.fit_transform(texts, targets), rtol=1e-7)
    unseen = pl.DataFrame({"city": ["elsewhere", "c1"], "kind": ["a", None]})
    for frame in (TABLE, unseen):
        expected = theirs.transform(frame.fill_null("missing").to_numpy())
        np.testing.assert_allclose(preparation.transform(frame), expected, rtol=1e-7)


def test_a_category_of_one_row_says_nothing_of_its_target() -> None:
    rows = ChosenRows(pl.DataFrame({"id": [str(n) for n in range(COUNT)]}).lazy(), ROWS.is_chosen)
    codes = (NUMBERS > 1e6).astype(int)
    preparation, prepared = fit_and_prepare(LightGBM(), Features(), TARGET, rows, codes, ("no", "yes"), ())
    assert len(np.unique(prepared.matrix)) <= FOLDS  # the mean of each fold's other rows
    assert (
        np.corrcoef(preparation.transform(rows.collect())[:, 0], codes)[0, 1] > 0.9
    )  # what leaks without cross-fitting


def test_streamed_rows_get_the_encodings_of_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = (Features(), TARGET, ROWS, NUMBERS, (), ())
    _, held = fit_and_prepare(LightGBM(), *fitted)
    places = np.array([250, 3, 77])
    few = held.some(places)
    monkeypatch.setattr(row_subset, "BATCH_ROWS", 64)
    _, streamed = fit_and_prepare(LightGBM(), *fitted)
    assert streamed.is_streamed
    batches = np.concatenate([matrix for matrix, _ in streamed.batches()])
    np.testing.assert_allclose(batches, held.matrix, rtol=1e-12)
    np.testing.assert_allclose(streamed.some(places).matrix, few.matrix[np.argsort(places)], rtol=1e-12)


ONE_SPLIT = {"n_estimators": 1, "max_depth": 1, "learning_rate": 1.0}
LIGHTGBM = {"min_child_samples": 1, "cat_smooth": 0, "cat_l2": 0, "max_cat_to_onehot": 1, "min_data_per_group": 1}
NATIVE = [
    LightGBM(params={**ONE_SPLIT, **LIGHTGBM}),
    XGBoost(params={**ONE_SPLIT, "max_cat_to_onehot": 1}),
]


@pytest.mark.parametrize("batch", [1 << 18, 64], ids=["held", "streamed"])
@pytest.mark.parametrize("algorithm", NATIVE, ids=lambda one: one.KIND)
def test_native_categories_are_split_as_sets(algorithm: Any, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One split of a tree of depth 1 takes every second category, which no threshold on their codes does."""
    monkeypatch.setattr(row_subset, "BATCH_ROWS", batch)
    digits = RANDOM.permutation(np.arange(COUNT) % 8)
    rows = ChosenRows(pl.DataFrame({"digit": [str(digit) for digit in digits]}).lazy(), ROWS.is_chosen)
    native = Preprocess(categorical="native")
    preparation, prepared = fit_and_prepare(algorithm, Features(), native, rows, digits % 2, ("0", "1"), ())
    fitted = fit_estimator(algorithm, prepared, problem_of("binary_classification"), seed=1, threads=1)
    assert (fitted.predict(preparation.transform(rows.collect())) == digits % 2).all()


def test_an_algorithm_without_categories_needs_an_encoding() -> None:
    ridge = Sklearn(estimator="sklearn.linear_model.Ridge")
    assert ridge.preprocess_with(Preprocess()).numeric_scaling == "standard"
    assert ridge.preprocess_with(Preprocess(numeric_scaling="none")).numeric_scaling == "none"
    assert LightGBM().preprocess_with(Preprocess()).numeric_scaling == "none"
    document = {
        "run_config": {"experiment": "e", "name": "n"}, "problem": "regression", "target": "y",
        "preprocess": {"categorical": "native"}, "model": ridge.model_dump(),
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="'native' needs an algorithm that handles categories itself"):
        validate(TabularJob, document, "job")
    document["model"]["preprocess"] = {"categorical": "target"}  # type: ignore[index]
    assert validate(TabularJob, document, "job").model.preprocess.categorical == "target"
