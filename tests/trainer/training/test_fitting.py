"""Fitting: everything from the training rows, the cut-off from the validation rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline
from trainer.pipeline import CutOff, Features, LightGBM, Preprocess, Sklearn, XGBoost
from trainer.problems import problem_of
from trainer.problems.cut_off import choose_cut_off
from trainer.tables.row_subset import ChosenRows, all_of
from trainer.training.fitting import fit_pipeline

LOGISTIC = Sklearn(estimator="sklearn.linear_model.LogisticRegression")
LEAVERS = "binary_classification"


def rows(seed: int, shift: float) -> tuple[pl.DataFrame, pl.Series]:
    random = np.random.default_rng(seed)
    values = random.normal(shift, 1, 300)
    labels = np.where(values + random.normal(0, 1, 300) > shift + 0.5, "yes", "no")
    return pl.DataFrame({"n": values}), pl.Series("y", labels.tolist())


TRAINING, VALIDATION = rows(1, 0.0), rows(2, 3.0)


def given(rows: tuple[pl.DataFrame, pl.Series]) -> tuple[ChosenRows, pl.Series]:
    return all_of(rows[0]), rows[1]


def fit(
    validation: tuple[pl.DataFrame, pl.Series] | None, positive: Any = "yes", cut_off: float | CutOff | None = None
) -> FittedPipeline:
    features = Features(fit={"middle": "median(n)"}, derive={"above": "n > middle"})
    return fit_pipeline(
        problem_of(LEAVERS),
        LOGISTIC,
        features,
        Preprocess(),
        positive,
        training=given(TRAINING),
        validation=given(validation) if validation else None,
        cut_off=cut_off,
        seed=1,
        threads=1,
    )


def test_constants_and_weights_come_from_the_training_rows_alone() -> None:
    one, other = fit(VALIDATION), fit(rows(3, -2.0))
    assert one.preparation.constants["middle"] == TRAINING[0]["n"].median()
    assert one.preparation.constants == other.preparation.constants
    assert np.array_equal(one.estimator.coef_, other.estimator.coef_)


def test_without_validation_rows_the_cut_off_has_to_be_given() -> None:
    fitted = fit(None, cut_off=0.125)
    assert fitted.cut_off == 0.125
    assert np.array_equal(fitted.estimator.coef_, fit(VALIDATION).estimator.coef_)
    with pytest.raises(DataValidationError, match="there are no validation rows to choose the cut-off on"):
        fit(None)


def test_the_cut_off_is_the_best_of_the_validation_rows() -> None:
    fitted = fit(VALIDATION)
    shares = fitted.predict(VALIDATION[0])["probability"].to_numpy()
    assert fitted.cut_off == choose_cut_off(None, (VALIDATION[1] == "yes").to_numpy(), shares)
    assert fitted.cut_off != fit(TRAINING).cut_off
    precise = fit(VALIDATION, cut_off=CutOff(precision=0.9)).cut_off
    assert precise == choose_cut_off(CutOff(precision=0.9), (VALIDATION[1] == "yes").to_numpy(), shares)
    assert precise > fitted.cut_off


def test_a_positive_class_that_is_none() -> None:
    with pytest.raises(
        DataValidationError, match=r"columns.positive: 'Yes' is none of the target's values \['no', 'yes'\]"
    ):
        fit(VALIDATION, "Yes")


AWKWARD = ["a[b]", "x<y", "{z}", '"quoted"', "comma, and: colon", "ümlaut\t", "a b", "a_b", "__proto__"]


@pytest.mark.parametrize("kind", [XGBoost, LightGBM], ids=["xgboost", "lightgbm"])
@pytest.mark.parametrize("names", [AWKWARD, [f"column {number}" for number in range(2000)]], ids=["awkward", "2,000"])
def test_boosters_take_whatever_columns_are_called(kind: Any, names: list[str]) -> None:
    random = np.random.default_rng(1)
    table = pl.DataFrame({name: random.normal(size=60) for name in names})
    labels = pl.select(y=pl.when(table[names[0]] > 0).then(pl.lit("yes")).otherwise(pl.lit("no"))).to_series()
    part = (all_of(table), labels)
    fitted = fit_pipeline(
        problem_of(LEAVERS), kind(params={"n_estimators": 3}), Features(), Preprocess(), "yes", training=part, validation=part,
        seed=1, threads=1,
    )  # fmt: skip
    answers = fitted.predict(table)
    assert (answers["prediction"] == labels).sum() > 54
    assert fitted.predict(table.select(reversed(names))).equals(answers)
