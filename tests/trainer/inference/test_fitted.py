"""A fitted pipeline: from raw rows to labels and probabilities, with one answer per row."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline, as_declared, dtype_named, fit_preparation
from trainer.pipeline import AnyAlgorithm, Features, Preprocess, Sklearn
from trainer.problems import problem_of
from trainer.tables.row_subset import all_of
from trainer.training.fitting import fit_pipeline

RANDOM = np.random.default_rng(4)
ROWS = pl.DataFrame({
    "n": RANDOM.normal(size=200),
    "k": RANDOM.integers(0, 9, 200),
    "t": RANDOM.choice(["a", "b", "c"], 200).tolist(),
})
NUMBERS = ROWS["n"] * 2 + ROWS["k"]
TWO = pl.Series("y", np.where(NUMBERS > 4, "yes", "no").tolist())
THREE = pl.Series("y", np.digitize(NUMBERS, [2, 6]).tolist())
LOGISTIC = Sklearn(estimator="sklearn.linear_model.LogisticRegression", params={"solver": "newton-cholesky"})
RIDGE = Sklearn(estimator="sklearn.linear_model.Ridge")
MIDDLE = Features(fit={"middle": "median(n)"}, derive={"above": "n > middle"})


def fitted(
    problem: str, targets: pl.Series, positive: Any = None, algorithm: AnyAlgorithm = LOGISTIC
) -> FittedPipeline:
    both = (all_of(ROWS), targets)
    return fit_pipeline(
        problem_of(problem),
        algorithm,
        MIDDLE,
        Preprocess(),
        positive,
        training=both,
        validation=both,
        seed=1,
        threads=1,
    )


PIPELINES = {
    "two-classes": fitted("binary_classification", TWO, "yes"),
    "three-classes": fitted("multiclass_classification", THREE),
    "regression": fitted("regression", NUMBERS.alias("y"), algorithm=RIDGE),
}


def test_two_classes_are_told_apart_at_the_cut_off() -> None:
    pipeline = PIPELINES["two-classes"]
    output = pipeline.predict(ROWS)
    assert output.columns == ["prediction", "probability"]
    assert pipeline.cut_off is not None
    assert output["prediction"].to_list() == ["yes" if p >= pipeline.cut_off else "no" for p in output["probability"]]
    assert (output["prediction"] == TWO).mean() > 0.9  # type: ignore[operator]
    strict = replace(pipeline, cut_off=0.999).predict(ROWS)
    assert strict["probability"].equals(output["probability"])
    assert (strict["prediction"] == "yes").sum() < (output["prediction"] == "yes").sum()


def test_without_a_cut_off_it_is_one_half() -> None:
    output = replace(PIPELINES["two-classes"], cut_off=None).predict(ROWS)
    assert output["prediction"].to_list() == ["yes" if p >= 0.5 else "no" for p in output["probability"]]


def test_the_probability_is_that_of_the_positive_class_whichever_comes_first() -> None:
    yes, no = (
        fitted("binary_classification", TWO, positive).predict(ROWS)["probability"] for positive in ("yes", "no")
    )
    np.testing.assert_allclose(yes, 1 - no.to_numpy())


def test_three_classes_have_a_probability_each() -> None:
    output = PIPELINES["three-classes"].predict(ROWS)
    assert output.columns == ["prediction", "probability", "probability_0", "probability_1", "probability_2"]
    shares = output.select(pl.col("^probability_.*$")).to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(output["probability"], shares.max(axis=1))
    assert output["prediction"].to_list() == shares.argmax(axis=1).tolist()


def test_numbers_are_predicted_alone() -> None:
    output = PIPELINES["regression"].predict(ROWS)
    assert output.columns == ["prediction"]
    assert output.schema["prediction"] == pl.Float64


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_one_row_gets_the_answer_that_it_gets_among_others(pipeline: FittedPipeline) -> None:
    together = pipeline.predict(ROWS).head(20)
    one_by_one = pl.concat([pipeline.predict(ROWS[[row]]) for row in range(20)])
    figures = [name for name, kind in together.schema.items() if kind == pl.Float64]
    np.testing.assert_allclose(one_by_one.select(figures), together.select(figures), rtol=1e-12)
    assert one_by_one.select(pl.exclude(figures)).equals(together.select(pl.exclude(figures)))


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_it_survives_pickling(pipeline: FittedPipeline) -> None:
    assert pickle.loads(pickle.dumps(pipeline)).predict(ROWS).equals(pipeline.predict(ROWS))


def test_order_and_additional_columns_do_not_matter() -> None:
    shuffled = ROWS.select("t", pl.lit(1).alias("more"), "k", "n")
    assert PIPELINES["two-classes"].predict(shuffled).equals(PIPELINES["two-classes"].predict(ROWS))


def test_columns_that_are_missing_are_all_named() -> None:
    with pytest.raises(DataValidationError, match="columns missing from the rows to predict: n, t"):
        PIPELINES["two-classes"].predict(ROWS.select("k"))


def test_a_column_that_lacked_values_in_training_may_be_absent() -> None:
    rows = ROWS.with_columns(
        pl.when(pl.col("k") > 4).then("k").alias("k"), pl.when(pl.col("n") > 0).then("t").alias("t")
    )
    preparation = fit_preparation(Features(derive={"twice": "2 * k"}), Preprocess(), rows)
    without = preparation.transform(rows.select("n"))
    empty = preparation.transform(rows.with_columns(pl.lit(None).alias("k"), pl.lit(None).alias("t")))
    assert np.array_equal(without, empty)
    with pytest.raises(DataValidationError, match="columns missing from the rows to predict: n$"):
        preparation.transform(rows.select("k", "t"))


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataValidationError, match=r"do not have the types of the training rows: .*many"):
        PIPELINES["two-classes"].predict(ROWS.with_columns(k=pl.lit("many")))


def test_numbers_that_come_as_floats_or_texts_are_cast() -> None:
    as_sent = ROWS.with_columns(pl.col("k").cast(pl.Float64), pl.col("n").cast(pl.String))
    assert PIPELINES["two-classes"].predict(as_sent).equals(PIPELINES["two-classes"].predict(ROWS))


def test_a_date_that_an_expression_uses_is_no_input_of_its_own() -> None:
    frame = ROWS.with_columns(seen=pl.lit(date(2026, 3, 1)))
    preparation = fit_preparation(Features(derive={"month": "extract(month from seen)"}), Preprocess(), frame)
    assert "month" in preparation.preprocessor.names
    assert "seen" not in preparation.preprocessor.names
    assert preparation.transform(frame).shape == (200, len(preparation.preprocessor.names))


def test_what_only_expressions_read_is_taken_and_no_input_of_the_estimator() -> None:
    frame = ROWS.with_columns(note=pl.col("k").cast(pl.String), spare=pl.col("k"))
    features = Features(fit={"most": "max(spare)"}, derive={"long": "LENGTH(note) + most"})
    preparation = fit_preparation(features, Preprocess(), frame, {"note", "spare"})
    assert {*preparation.inputs} == {*ROWS.columns, "note"}, "a constant needs its column in training only"
    assert "long" in preparation.preprocessor.names
    assert not [name for name in preparation.preprocessor.names if name.startswith(("note", "spare"))]
    with pytest.raises(DataValidationError, match="columns missing from the rows to predict: note"):
        preparation.transform(ROWS)


@pytest.mark.parametrize(
    "kind",
    [pl.Int64(), pl.Float32(), pl.String(), pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.Categorical()],
    ids=str,
)
def test_a_type_is_found_again_by_its_name(kind: pl.DataType) -> None:
    values = pl.Series("x", [None], dtype=kind)
    assert as_declared(values.to_frame(), {"x": str(kind)}).schema["x"] == kind


def test_zoned_timestamps_are_the_same_instants_at_serving() -> None:
    zoned = (
        pl.Series("x", [datetime(2026, 7, 1, 12, 30)]).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    )
    found = as_declared(zoned.to_frame(), {"x": str(pl.Datetime("us"))})["x"]
    assert (found.dtype, found.to_list()) == (pl.Datetime("us"), [datetime(2026, 7, 1, 12, 30)])


def test_a_type_that_polars_does_not_have() -> None:
    with pytest.raises(DataValidationError, match=r"the column type 'Int7' is not known to Polars"):
        dtype_named("Int7")
