"""The ranking of columns, and permutation importance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from trainer.evaluation.importance import permutation_importance, ranked
from trainer.inference.fitted import FittedPipeline, fit_preparation
from trainer.pipeline import Features, Preprocess
from trainer.problems import problem_of


def test_the_ranking_falls_and_shares_leave_out_what_is_below_zero() -> None:
    found = ranked({"b": 1.0, "worse": -1.0, "a": 1.0, "most": 2.0})
    assert [one.column for one in found] == ["most", "a", "b", "worse"]
    assert [one.share for one in found] == [0.5, 0.25, 0.25, 0.0]


def test_where_nothing_counts_no_share_is_undefined() -> None:
    assert [one.share for one in ranked({"a": 0.0, "b": -0.1})] == [0.0, 0.0]


def rows() -> pl.DataFrame:
    random = np.random.default_rng(3)
    return pl.DataFrame({name: random.normal(size=300) for name in ("noise", "planted", "other")})


@pytest.mark.parametrize(
    ("problem", "metric"),
    [("regression", "rmse"), ("regression", "r2"), ("binary_classification", "auc_roc"), ("binary_classification", "log_loss")],
)  # fmt: skip
def test_the_planted_column_counts_through_what_is_derived_from_it(problem: str, metric: str) -> None:
    """The estimator sees the column under another name as well; both are shuffled together."""
    frame = rows()
    preparation = fit_preparation(Features(derive={"tripled": "3 * planted"}), Preprocess(), frame)
    matrix = preparation.transform(frame)
    if problem == "regression":
        truth = frame["planted"] * 2
        fitted = FittedPipeline(preparation, LinearRegression().fit(matrix, truth.to_numpy()))
    else:
        truth = (frame["planted"] > 0).replace_strict({True: "yes", False: "no"})
        codes = (truth == "yes").cast(int).to_numpy()
        fitted = FittedPipeline(preparation, LogisticRegression().fit(matrix, codes), ("no", "yes"), "yes")
    lost = permutation_importance(problem_of(problem), metric, fitted, frame, truth, seed=1)
    assert [*lost] == ["noise", "planted", "other"]
    found = ranked(lost)
    assert found[0].column == "planted"
    assert found[0].share > 0.9
    assert lost == permutation_importance(problem_of(problem), metric, fitted, frame, truth, seed=1)
