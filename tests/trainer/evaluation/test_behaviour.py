"""Changed rows: models that answer wrongly are seen to, and expectations that could never fail are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.decision.behaviour import behaviour_result
from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.evaluation.behaviour import MOST_ROWS, change_rows, check_behaviours, judge_behaviour
from trainer.inference.fitted import FittedPipeline
from trainer.pipeline import Behaviour, Features, Preprocess, Sklearn
from trainer.problems import problem_of
from trainer.run.records import Behaved
from trainer.tables.row_subset import all_of
from trainer.training.fitting import fit_pipeline

BINARY = "binary_classification"
RANDOM = np.random.default_rng(8)
ROWS = pl.DataFrame({
    "id": np.arange(400),
    "tenure": RANDOM.integers(0, 72, 400),
    "charges": RANDOM.normal(60, 20, 400).round(2),
    "plan": RANDOM.choice(["month", "year"], 400).tolist(),
    "paperless": RANDOM.choice([True, False], 400).tolist(),
})
LONG_STAY_LEAVES = pl.Series("churn", np.where(ROWS["tenure"] + RANDOM.normal(0, 15, 400) > 36, "Yes", "No").tolist())
NEW_ONES_LEAVE = LONG_STAY_LEAVES.replace_strict({"Yes": "No", "No": "Yes"})
LATE_IDS_LEAVE = pl.Series("churn", np.where(ROWS["id"] > 200, "Yes", "No").tolist())


def expectation(**values: Any) -> Behaviour:
    defaults = {"name": "tenure", "set": {"tenure": "tenure + 12"}, "expect": "does_not_rise"}
    return Behaviour.model_validate({**defaults, **values})


LONGER = expectation(where="tenure <= 60")
OTHER_ID = expectation(name="id", set={"id": "399 - id"}, expect="unchanged")


def fitted(targets: pl.Series, *inputs: str) -> FittedPipeline:
    both = (all_of(ROWS.select(inputs)), targets)
    model = Sklearn(estimator="sklearn.linear_model.LogisticRegression", params={"solver": "newton-cholesky"})
    return fit_pipeline(
        problem_of(BINARY), model, Features(), Preprocess(), "Yes", training=both, validation=both, seed=1, threads=1
    )


def tried(model: FittedPipeline, behaviour: Behaviour) -> Behaved:
    changed = change_rows(behaviour, ROWS, seed=1)
    before, after = (model.predict(rows) for rows in (ROWS[changed.positions], changed.rows))
    return judge_behaviour(problem_of(BINARY), behaviour, before, after)


@pytest.mark.parametrize(
    ("targets", "verdict"),
    [pytest.param(LONG_STAY_LEAVES, "failed", id="rises"), pytest.param(NEW_ONES_LEAVE, "passed", id="falls")],
)
def test_a_model_whose_risk_rises_with_tenure_fails(targets: pl.Series, verdict: str) -> None:
    found = tried(fitted(targets, "tenure", "charges"), LONGER)
    assert found.rows == (ROWS["tenure"] <= 60).sum()
    assert abs(found.mean_change) > 0.1
    assert found.largest_change >= abs(found.mean_change)
    assert (found.mean_change > 0) == (verdict == "failed")
    assert behaviour_result(LONGER, [found]).verdict == verdict


@pytest.mark.parametrize(
    ("inputs", "verdict"), [(("id", "tenure"), "failed"), (("tenure", "charges"), "passed")], ids=["input", "no-input"]
)
def test_a_model_that_has_the_id_as_its_input_fails(inputs: tuple[str, ...], verdict: str) -> None:
    found = tried(fitted(LATE_IDS_LEAVE, *inputs), OTHER_ID)
    assert found.rows == ROWS.height
    assert (found.largest_change == 0) == (verdict == "passed")
    assert behaviour_result(OTHER_ID, [found]).verdict == verdict


def test_every_expression_reads_the_rows_as_they_were() -> None:
    behaviour = expectation(set={"tenure": "charges", "charges": "tenure * 2.5"}, where="id < 3")
    rows = ROWS.with_columns(pl.col("tenure").cast(pl.Float64))
    changed = change_rows(behaviour, rows, seed=1)
    assert changed.positions.tolist() == [0, 1, 2]
    assert changed.rows["tenure"].equals(rows["charges"][:3].alias("tenure"))
    assert changed.rows["charges"].equals((rows["tenure"][:3] * 2.5).alias("charges"))
    assert changed.rows.select("id", "plan", "paperless").equals(rows.select("id", "plan", "paperless")[:3])


def test_types_stay_those_of_the_table() -> None:
    narrow = ROWS.with_columns(pl.col("tenure").cast(pl.Int8))
    assert change_rows(LONGER, narrow, seed=1).rows.schema == narrow.schema


def test_only_rows_that_differ_are_tried() -> None:
    changed = change_rows(expectation(set={"plan": "'month'"}), ROWS, seed=1)
    assert changed.positions.tolist() == (ROWS["plan"] == "year").arg_true().to_list()


def test_a_value_that_becomes_missing_is_a_change_and_one_that_stays_missing_is_none() -> None:
    rows = ROWS.with_columns(charges=pl.when(pl.col("id") < 9).then(None).otherwise("charges"))
    changed = change_rows(expectation(set={"charges": "NULLIF(charges, charges)"}), rows, seed=1)
    assert changed.positions.tolist() == list(range(9, 400))


def test_of_many_rows_some_are_drawn_and_the_same_ones_again() -> None:
    many = pl.concat([ROWS] * 6)
    first, again, other = (change_rows(expectation(), many, seed).positions for seed in (1, 1, 2))
    assert first.size == MOST_ROWS < many.height
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (np.diff(first) > 0).all()


def test_where_no_row_fits_there_is_no_evidence() -> None:
    changed = change_rows(expectation(where="tenure > 100"), ROWS, seed=1)
    assert (changed.positions.size, changed.rows.height) == (0, 0)
    nothing = pl.DataFrame({"probability": []}, schema={"probability": pl.Float64})
    found = judge_behaviour(problem_of(BINARY), expectation(), nothing, nothing)
    assert (found.rows, found.mean_change, found.largest_change) == (0, 0, 0)
    assert behaviour_result(expectation(), [found]).verdict == "failed"


def test_an_expectation_that_changes_no_row_is_refused() -> None:
    behaviour = expectation(set={"plan": "'month'"}, where="plan = 'month'")
    number = (ROWS["plan"] == "month").sum()
    with pytest.raises(
        ConfigurationError,
        match=rf"^behaviour \(tenure\): `set` changes none of the {number} rows that it applies to, so the expectation "
        "could never fail",
    ):
        change_rows(behaviour, ROWS, seed=1)


def test_a_value_that_cannot_be_computed_is_refused_data() -> None:
    with pytest.raises(DataValidationError, match=r"(?s)behaviour \(tenure\): this cannot be computed.*TRY_CAST"):
        change_rows(expectation(set={"tenure": "CAST(plan AS BIGINT)"}), ROWS, seed=1)


def test_rounding_is_no_change() -> None:
    before = pl.DataFrame({"probability": [0.5, 0.25]})
    after = before + 1e-12
    assert judge_behaviour(problem_of(BINARY), OTHER_ID, before, after).largest_change == 0
    moved = before.with_columns(pl.col("probability") + 1e-6)
    assert judge_behaviour(problem_of(BINARY), OTHER_ID, before, moved).largest_change == pytest.approx(1e-6)


def test_a_regression_is_judged_in_units_of_its_target() -> None:
    before, after = (pl.DataFrame({"prediction": values}) for values in ([100.0, 200.0], [90.0, 204.0]))
    found = judge_behaviour(problem_of("regression"), OTHER_ID, before, after)
    assert (found.mean_change, found.largest_change) == (-3, 10)


def test_of_several_classes_the_one_that_moves_most_counts() -> None:
    before = pl.DataFrame({"probability_a": [0.5, 0.2], "probability_b": [0.4, 0.2], "probability_c": [0.1, 0.6]})
    after = pl.DataFrame({"probability_a": [0.5, 0.2], "probability_b": [0.1, 0.2], "probability_c": [0.4, 0.6]})
    found = judge_behaviour(problem_of("multiclass_classification"), OTHER_ID, before, after)
    assert found.mean_change == pytest.approx(0.15)
    assert found.largest_change == pytest.approx(0.3)


def test_a_model_that_gives_no_number_is_refused() -> None:
    before, after = pl.DataFrame({"probability": [0.5, 0.5]}), pl.DataFrame({"probability": [float("nan"), 0.5]})
    with pytest.raises(ModelRefusedError, match=r"behaviour \(id\): the model gives no number for 1 of 2 changed rows"):
        judge_behaviour(problem_of(BINARY), OTHER_ID, before, after)


SCHEMA = ROWS.with_columns(LONG_STAY_LEAVES).schema
WRONG = {
    "syntax": ({"set": {"tenure": "tenure +"}}, r"set\.tenure: .*no SQL expression"),
    "aggregate": ({"set": {"tenure": "max(tenure)"}}, r"set\.tenure: .*looks at all rows.*; write the number out"),
    "window": ({"where": "row_number() > 3"}, r"where: .*row number"),
    "target": ({"where": "churn = 'Yes'"}, r"where: 'churn' cannot be used: it is the target"),
    "target-set": ({"set": {"churn": "'No'"}}, r"set\.churn: 'churn' cannot be used: it is the target"),
    "unknown": (
        {"set": {"tenure": "tenur + 1"}},
        r"set\.tenure: the table has no column 'tenur'; did you mean 'tenure'",
    ),
    "unknown-set": ({"set": {"tenur": "1"}}, r"set\.tenur: the table has no column 'tenur'; did you mean 'tenure'"),
    "type": ({"set": {"plan": "tenure + 1"}}, r"set\.plan: 'tenure \+ 1' gives Int64, the column 'plan' is String"),
    "fraction": ({"set": {"tenure": "tenure * 1.5"}}, r"set\.tenure: .* gives Float64, the column 'tenure' is Int64"),
    "no-condition": ({"where": "tenure + 1"}, r"where: 'tenure \+ 1' gives Int64, a condition is Boolean"),
    "misfit": ({"set": {"tenure": "plan - 1"}}, r"set\.tenure: 'plan - 1' does not fit the table"),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_expectation_is_told_with_its_place(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)^behaviour \(tenure\)\.{message}"):
        check_behaviours([LONGER, expectation(**values)], "churn", SCHEMA)


def test_values_of_every_kind_can_be_given() -> None:
    given = {"tenure": "12", "charges": "tenure", "plan": "'month'", "paperless": "NOT paperless"}
    check_behaviours([expectation(set=given), LONGER, OTHER_ID], "churn", SCHEMA)
    assert change_rows(expectation(set=given), ROWS, seed=1).rows["tenure"].unique().to_list() == [12]
