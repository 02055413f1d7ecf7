"""Segments: which there are, and how a model does in each of them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.evaluation.comparison import Rival
from trainer.evaluation.slices import check_slices, judge_slices, segments_of
from trainer.pipeline import Gates, SliceGate
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions
from trainer.run.records import Segment

BINARY = "binary_classification"
SIZE = 600
PARTS = pl.Series("part", ["train"] * SIZE + ["validation"] * SIZE + ["test"] * SIZE)
PLANS = pl.Series("plan", ["a", "b"] * (3 * SIZE // 2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([0, 1]), ["0", "1"]),
        (pl.Series([0.0, 1.0, None]), ["0", "1", "(missing)"]),
        (pl.Series([0.0, float("nan")]), ["0", "(missing)"]),
        (pl.Series([0.0, float("inf")]), ["0.0", "inf"]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series(["x", None]), ["x", "(missing)"]),
    ],
    ids=["integers", "whole-floats", "nan", "infinite", "booleans", "texts"],
)
def test_a_segment_is_a_text(values: pl.Series, expected: list[str]) -> None:
    assert segments_of(values).to_list() == expected


def gates(**slice_values: Any) -> Gates:
    against = {"metric": "auc_roc", "resamples": 200}
    return Gates.model_validate({"against_production": against, "slices": [{"column": "plan", **slice_values}]})


def answers(right_in: str = "ab", seed: int = 1) -> Predictions:
    """Those of a model that tells classes apart in some plans, and knows nothing of the others."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 2, SIZE)
    known = np.isin(PLANS[:SIZE].to_numpy(), list(right_in))
    probability = np.clip(0.5 + np.where(known, 0.3 * (truth - 0.5), 0) + rng.normal(0, 0.1, SIZE), 0, 1)
    labels = np.array(["No", "Yes"])
    return Predictions(labels[truth], labels[(probability >= 0.5).astype(int)], probability, positive="Yes")


def judged(
    rules: Gates, challenger: Predictions, rival: Rival | None = None, plans: pl.Series = PLANS
) -> dict[str, Segment]:
    found = judge_slices(
        problem_of(BINARY),
        rules,
        pl.DataFrame({"plan": plans}),
        PARTS,
        challenger=challenger,
        rivals=[rival] if rival else [],
    )
    return {segment.segment: segment for segment in found}


def test_a_model_that_is_good_on_the_whole_is_seen_to_fail_in_a_segment() -> None:
    challenger = answers(right_in="a")
    found = judged(gates(), challenger)
    assert {name: segment.rows for name, segment in found.items()} == {"a": SIZE // 2, "b": SIZE // 2}
    inside = np.arange(SIZE) % 2 == 0
    assert found["a"].metrics == pytest.approx(problem_of(BINARY).score(challenger.rows(inside)))
    assert found["a"].metrics["auc_roc"] > 0.9
    assert found["b"].metrics["auc_roc"] < 0.65
    assert (found["a"].production_metrics, found["a"].comparison, found["a"].not_compared) == ({}, None, "")


def test_a_segment_that_is_in_no_test_row_is_kept_with_no_rows() -> None:
    gone = pl.Series(["b" if part == "test" else plan for plan, part in zip(PLANS, PARTS, strict=True)])
    found = judged(gates(), answers(), plans=gone)
    assert (found["a"].rows, found["a"].metrics, found["b"].rows) == (0, {}, SIZE)
    assert list(judged(gates(segments=["a", "z"]), answers())) == ["a", "z"]


def test_rows_without_a_value_are_a_segment_too() -> None:
    found = judged(gates(), answers(), plans=PLANS.replace("a", None))
    assert {name: segment.rows for name, segment in found.items()} == {"(missing)": SIZE // 2, "b": SIZE // 2}


def test_each_segment_is_compared_with_production_on_rows_that_are_new_to_it() -> None:
    new = np.arange(SIZE) >= 200
    found = judged(gates(max_loss=0.05), answers("a"), Rival(answers("b", seed=2), new))
    better, worse = (found[name].comparison for name in "ab")
    assert better is not None
    assert worse is not None
    assert (better.rows, better.rows_left_out) == (200, 100)
    assert better.lower > 0 > worse.upper
    assert worse.challenger == pytest.approx(
        problem_of(BINARY).score(answers("a").rows(new & (np.arange(SIZE) % 2 == 1)))["auc_roc"]
    )
    assert found["b"].production_metrics["auc_roc"] > 0.9


def test_too_few_new_rows_are_no_comparison_and_it_is_said() -> None:
    new = np.arange(SIZE) >= SIZE - 40
    found = judged(gates(max_loss=0), answers(), Rival(answers(), new))
    assert found["a"].comparison is None
    assert found["a"].not_compared == "20 of its test rows are new to production, 30 are needed"
    assert found["a"].production_metrics


def test_new_rows_of_one_class_are_no_comparison_and_it_is_said() -> None:
    new = answers().truth == "Yes"
    found = judged(gates(max_loss=0), answers(), Rival(answers("a", seed=2), new))
    assert found["a"].comparison is None
    assert "auc_roc is undefined: all" in found["a"].not_compared


def test_without_a_limit_for_losses_segments_are_not_compared() -> None:
    found = judged(gates(), answers(), Rival(answers("a"), np.ones(SIZE, dtype=bool)))
    assert (found["a"].comparison, found["a"].not_compared) == (None, "")
    assert found["a"].production_metrics


def test_figures_that_are_undefined_without_a_class_are_left_out() -> None:
    every = answers()
    only_no, only_yes = (
        problem_of(BINARY).defined_figures(every.rows(every.truth == label)) for label in ("No", "Yes")
    )
    assert set(problem_of(BINARY).score(every)) - set(only_yes) == {"auc_roc", "auc_pr"}
    assert set(only_yes) - set(only_no) == {"positive_recall", "positive_f1_score"}
    same, other = np.array([2.0, 2.0]), np.array([1.0, 2.0])
    assert set(problem_of("regression").defined_figures(Predictions(same, other, None))) == {
        "rmse",
        "mse",
        "mae",
        "mape",
    }
    assert set(problem_of("regression").defined_figures(Predictions(same * 0, other, None))) == {"rmse", "mse", "mae"}


TABLE = pl.DataFrame({
    "plan": PLANS,
    "charge": np.linspace(0, 1, len(PLANS)),
    "code": np.arange(len(PLANS)) % 60,
    "tags": [["x"]] * len(PLANS),
})


def check(**slice_values: Any) -> None:
    check_slices([SliceGate.model_validate({"column": "plan", **slice_values})], TABLE.lazy(), PARTS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"column": "plann"}, r"^gates.slices \(plann\): there is no such column; did you mean 'plan'\?"),
        ({"column": "charge"}, r"gates.slices \(charge\): 600 different values are too many.*CASE WHEN charge <"),
        ({"column": "charge", "segments": [0]}, r"gates.slices \(charge\): 600 different values are too many"),
        ({"column": "code"}, r"gates.slices \(code\): 60 different values are too many segments \(at most 30"),
        ({"column": "tags"}, r"gates.slices \(tags\): List\(String\) values make no segments"),
    ],
    ids=["unknown", "numbers", "numbers-listed", "many", "lists"],
)
def test_columns_that_make_no_segments_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check(**values)


def test_a_listed_segment_that_is_in_no_row_is_refused() -> None:
    with pytest.raises(
        DataValidationError,
        match=r"gates.slices \(plan\): no row of the table is in the segment 'aa'; did you mean 'a'",
    ):
        check(segments=["a", "aa"])


def test_of_many_values_some_can_be_listed() -> None:
    check(column="code", segments=[0, 59], min_rows=10)


def test_a_segment_with_too_few_test_rows_is_warned_of_before_training(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="trainer"):
        check(min_rows=300)
    assert not caplog.records
    with caplog.at_level(logging.WARNING, logger="trainer"):
        check(min_rows=301)
    assert [record.getMessage() for record in caplog.records] == [
        f"segment '{name}' of plan has 300 test rows, 301 are needed to judge it: the model will be refused"
        for name in "ab"
    ]
