"""Feature expressions: right in training, the same at serving, and refused where they could not be."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.inference.features import check_expressions, columns_used, fit_features
from trainer.pipeline import Features

CHURN = Features(
    fit={"median_charges": "median(monthly_charges)"},
    derive={
        "tenure_category": "CASE WHEN tenure <= 12 THEN 'New' WHEN tenure <= 24 THEN 'Medium' "
        "WHEN tenure <= 48 THEN 'Long' ELSE 'Very_Long' END",
        "total_amount": "tenure * monthly_charges",
        "avg_monthly_charges": "monthly_charges / (tenure + 1)",
        "is_high_risk": "contract = 'Month-to-month' AND monthly_charges > median_charges",
    },
)
SCHEMA = pl.Schema({
    "x": pl.Int64(),
    "y": pl.Float64(),
    "a": pl.String(),
    "b": pl.Boolean(),
    "d": pl.Datetime(),
    "target": pl.Int64(),
})


@pytest.fixture
def customers() -> pl.DataFrame:
    return pl.DataFrame({
        "tenure": [0, 12, 13, 24, 25, 48, 49],
        "monthly_charges": [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0],
        "contract": ["Month-to-month", "One year", *["Month-to-month"] * 5],
    })


def _derive(**expressions: str) -> Features:
    return Features(derive=expressions)


def _one(text: str, frame: pl.DataFrame) -> list[object]:
    return fit_features(_derive(z=text), frame).transform(frame)["z"].to_list()


def _random_frame(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    def holes(values: list[object]) -> list[object]:
        return [None if rng.random() < 0.2 else value for value in values]

    return pl.DataFrame(
        {
            "x": holes(rng.integers(-3, 4, rows).tolist()),
            "y": holes(rng.choice([0.0, -0.0, 1.5, -2.25, float("nan"), 1e300], rows).tolist()),
            "a": holes(rng.choice(["", "a", "Ab-c", "é", "12"], rows).tolist()),
            "b": holes(rng.choice([True, False], rows).tolist()),
            "d": holes([datetime(2024, 2, 28, 23, 59, 59) + timedelta(hours=hours) for hours in range(rows)]),
        },
        schema={name: SCHEMA[name] for name in "xyabd"},
    )


def test_churn_categories_take_their_upper_bounds_and_a_new_customer_is_never_missing(customers: pl.DataFrame) -> None:
    features = fit_features(CHURN, customers).transform(customers)
    expected = ["New", "New", "Medium", "Medium", "Long", "Long", "Very_Long"]
    assert features["tenure_category"].to_list() == expected
    assert features["total_amount"].to_list()[:2] == [0.0, 360.0]
    assert features["avg_monthly_charges"].to_list()[:2] == [20.0, 30.0 / 13]


def test_the_training_median_is_used_on_other_rows(customers: pl.DataFrame) -> None:
    fitted = fit_features(CHURN, customers)
    assert fitted.constants == {"median_charges": 50.0}
    high = pl.DataFrame({"tenure": [1, 1], "monthly_charges": [50.01, 50.0], "contract": ["Month-to-month"] * 2})
    assert fitted.transform(high)["is_high_risk"].to_list() == [True, False]


def test_constants_are_not_in_the_output_and_raw_columns_stay_as_they_are(customers: pl.DataFrame) -> None:
    narrow = customers.with_columns(pl.col("tenure").cast(pl.Int8))
    result = fit_features(CHURN, customers).transform(narrow)
    assert result.columns == [*customers.columns, *CHURN.derive]
    assert result.select(customers.columns).equals(narrow)


def test_survives_pickling(customers: pl.DataFrame) -> None:
    fitted = fit_features(CHURN, customers)
    again = pickle.loads(pickle.dumps(fitted))
    assert again == fitted
    assert again.transform(customers).equals(fitted.transform(customers))


ROW_WISE = {
    "arithmetic": "(x + 1) * y - x % 3",
    "division": "y / x",
    "whole division": "x // (x - 1)",
    "case": "CASE WHEN x > 0 AND b THEN y WHEN y IS NULL THEN -1 ELSE x / 2.0 END",
    "in": "x IN (1, 2) OR a IN ('a', 'é')",
    "between": "x BETWEEN -1 AND 1",
    "coalesce": "coalesce(y, x, 0)",
    "nullif": "nullif(x, 0) + 1",
    "extremes": "greatest(x, y) - least(x, 1)",
    "powers": "sqrt(abs(x)) + ln(x + 4) + exp(x) + power(y, 2)",
    "rounding": "round(y, 1) + floor(y) + ceil(y) + sign(x)",
    "angles": "sin(x) + atan2(x, 2)",
    "text": "upper(a) || lower(a) || left(a, 1) || right(a, 1) || trim(a)",
    "text tests": "a LIKE 'A%' OR length(a) > 2 OR strpos(a, 'b') = 1 OR a ~ '^.b'",
    "parts": "split_part(a, '-', 1)",
    "lenient cast": "TRY_CAST(a AS INT)",
    "cast": "CAST(x AS VARCHAR)",
    "dates": "extract(dow from d) + extract(month from d)",
    "date comparison": "d > DATE '2024-02-29'",
    "distinct": "x IS DISTINCT FROM 2",
}


@pytest.mark.parametrize("text", ROW_WISE.values(), ids=ROW_WISE)
def test_one_row_gets_the_answer_that_it_gets_among_many(text: str) -> None:
    for seed in range(5):
        frame = _random_frame(np.random.default_rng(seed), 40)
        spec = Features(derive={"z": text, "then": "CASE WHEN z IS NULL THEN 1 ELSE 0 END"})
        check_expressions(spec, frame.schema)
        fitted = fit_features(spec, frame)
        among_many = fitted.transform(frame)
        alone = pl.concat([fitted.transform(frame[row]) for row in range(frame.height)])
        shuffled = fitted.transform(frame.reverse()).reverse()
        assert alone.equals(among_many)
        assert shuffled.equals(among_many)


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt32, pl.Float64], ids=str)
def test_the_width_of_numbers_does_not_change_the_answer(kind: type[pl.DataType]) -> None:
    training = pl.DataFrame({"x": [0, 100]}, schema={"x": pl.Int64})
    fitted = fit_features(_derive(z="x * 2 - 1"), training)
    assert fitted.transform(training.cast(kind))["z"].to_list() == [-1, 199]


def test_decimal_literals_do_not_lose_digits() -> None:
    assert _one("x / 3.0", pl.DataFrame({"x": [1]})) == [1 / 3]


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("x / y", [None, None, 2.0, None], 2),
        ("x // y", [None, None, 2, None], 2),
        ("x % y", [None, None, 0, None], 2),
        ("x / y > 1", [None, None, True, None], 2),
        ("1 / (x / y)", [None, None, 0.5, None], 2),
        ("ln(y)", [None, None, 0.0, 0.0], 2),
        ("x / 0", [None, None, None, None], 3),
        ("CASE WHEN y = 0 THEN 0 ELSE x / y END", [0, 0, 2, None], 0),
    ],
    ids=["division", "whole", "remainder", "comparison", "nested", "logarithm", "by a literal", "guarded"],
)
def test_a_division_by_zero_becomes_missing_and_is_counted(text: str, expected: list[object], count: int) -> None:
    frame = pl.DataFrame({"x": [1, 0, 2, None], "y": [0, 0, 1, 1]})
    fitted = fit_features(_derive(z=text, after="z"), frame)
    assert fitted.transform(frame)["z"].to_list() == expected
    assert fitted.became_missing(frame) == {"z": count, "after": count}


REFUSED = {
    "aggregate": ("x - avg(x)", "'Mean' looks at all rows.*features.fit"),
    "sum": ("sum(x)", "looks at all rows"),
    "count": ("x / count(*)", "number of rows looks at all rows"),
    "first": ("first(x)", "looks at all rows"),
    "quantile": ("quantile_cont(x, 0.5)", "looks at all rows"),
    "distinct": ("count(distinct x)", "looks at all rows"),
    "over": ("sum(x) OVER (PARTITION BY a)", "window"),
    "lag": ("lag(x) OVER (ORDER BY y)", "window"),
    "rank": ("rank() OVER (ORDER BY y)", "'Rank' is not among the functions that work row by row"),
    "row number": ("row_number()", "row number"),
    "text aggregate": ("string_agg(a, ',')", "not among the functions|looks at all rows"),
    "hidden in case": ("CASE WHEN x > 1 THEN max(x) ELSE 0 END", "looks at all rows"),
    "explode": ("unnest(x)", "row by row"),
    "any of a column": ("x = ANY(y)", "over a column"),
    "guessed date format": ("date(a)", "without a format"),
    "random": ("random()", "no SQL expression.*random"),
    "clock": ("d > now()", "time of day"),
    "date of today": ("d > current_date", "time of day"),
    "placeholder": ("x > :limit", "bare name"),
    "syntax": ("x +", "no SQL expression"),
    "alias": ("x AS other", "leave out AS"),
    "two": ("x, y", "no SQL expression"),
    "subquery": ("x > (SELECT max(x) FROM t)", "no SQL expression"),
    "no column": ("1 + 1", "uses no column"),
    "itself": ("z + 1", "stand before it"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_is_not_row_by_row(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)features\.derive\.z: .*({message})"):
        check_expressions(_derive(z=text))


def test_words_in_quotes_and_in_names_are_not_functions() -> None:
    check_expressions(_derive(z="a = 'sum(x) now()'", first_sum='"current_date" + max_x'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "no aggregate"),
        ("x - median(x)", "no aggregate"),
        ("3 + 4", "no aggregate"),
        ("sum(x) OVER (PARTITION BY a)", "cannot be used"),
        ("array_agg(x)", "cannot be used"),
        ("max(z)", "columns of the table only"),
    ],
    ids=["column", "mixed", "literal", "window", "list", "derived"],
)
def test_refuses_constants_that_are_not_one_value(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"features\.fit\.c: .*{message}"):
        check_expressions(Features(fit={"c": text}, derive={"z": "x + c"}))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max(x) - min(x)", 9),
        ("count(*)", 4),
        ("count(distinct a)", 2),
        ("sum(x) / count(x)", 4.0),
        ("max(a)", "q"),
        ("max(x) > 3", True),
        ("quantile_cont(x, 0.5)", 1.0),
        ("avg(x) FILTER (WHERE a = 'q')", 5.5),
        ("avg(x) * 0.5", 2.0),
    ],
)
def test_constants(text: str, value: object) -> None:
    frame = pl.DataFrame({"x": [1, 1, 10, None], "a": ["q", "p", "q", "p"]})
    found = fit_features(Features(fit={"c": text}), frame).constants["c"]
    assert (found, type(found)) == (value, type(value))


def test_a_missing_constant_is_refused_data() -> None:
    frame = pl.DataFrame({"x": [None, None], "y": [0, 0]}, schema={"x": pl.Int64, "y": pl.Int64})
    with pytest.raises(DataValidationError, match=r"features\.fit\.c: 'avg\(x\)' is missing over 2 training rows"):
        fit_features(Features(fit={"c": "avg(x)"}), frame)
    with pytest.raises(DataValidationError, match=r"is (missing|nan|inf)"):
        fit_features(Features(fit={"c": "sum(y) / sum(y)"}), frame)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (_derive(z="Y + 1"), r"derive\.z: there is no column 'Y'.*y"),
        (Features(fit={"c": "max(xx)"}), r"fit\.c: there is no column 'xx'"),
        (_derive(x="y + 1"), r"derive\.x: the table already has a column 'x'"),
        (Features(fit={"y": "max(x)"}), r"fit\.y: the table already has a column 'y'"),
        (_derive(z="target + 1"), r"derive\.z: 'target' cannot be used: it is the target"),
        (_derive(z="a * 2"), r"derive\.z: 'a \* 2' does not fit the table"),
        (_derive(z="string_to_array(a, ',')"), r"derive\.z: .* gives a list"),
        (_derive(z="CAST(a AS DATE)"), r"derive\.z: .* gives Date, and an input is a number, a boolean or a text"),
    ],
    ids=["unknown", "unknown in fit", "clash", "clash in fit", "target", "type", "list", "date"],
)
def test_checks_against_the_table(spec: Features, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_expressions(spec, SCHEMA, {"target": "the target"})


def test_a_derived_date_is_used_up_by_the_expression_that_reads_it() -> None:
    check_expressions(_derive(day="CAST(a AS DATE)", month="extract(month from day)"), SCHEMA)


def test_columns_used_are_those_of_the_table() -> None:
    assert columns_used(CHURN) == ["monthly_charges", "tenure", "contract"]


def test_prediction_without_a_column_names_it(customers: pl.DataFrame) -> None:
    with pytest.raises(DataValidationError, match="'tenure' is missing"):
        fit_features(CHURN, customers).transform(customers.drop("tenure"))


def test_prediction_with_another_type_names_it(customers: pl.DataFrame) -> None:
    with pytest.raises(DataValidationError, match="'tenure' was Int64 in training and is String"):
        fit_features(CHURN, customers).transform(customers.cast({"tenure": pl.String}))


def test_a_strict_cast_of_an_unfit_value_is_refused_data() -> None:
    with pytest.raises(DataValidationError, match=r"features\.derive\.z.*(?s:.)*TRY_CAST"):
        _one("CAST(a AS INT)", pl.DataFrame({"a": ["1", "x"]}))
