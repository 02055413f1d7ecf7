"""The pipeline's checks, run by Great Expectations itself."""

from __future__ import annotations

import json
import logging
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from trainer.checks import expectations
from trainer.checks.expectations import check_checks, run_checks
from trainer.checks.results import check_result
from trainer.errors import ConfigurationError
from trainer.pipeline import Check, load_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.run.records import CheckResult

    Tables = dict[str, pl.DataFrame]


def run(checks: list[Check], tables: Tables) -> tuple[list[CheckResult], dict[str, Any]]:
    return run_checks(checks, {name: frame.lazy() for name, frame in tables.items()})


CHURN = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "churn.yaml")
ROWS = 1200


def good_tables() -> Tables:
    """Customers that pass every check of churn.yaml, and the facts about their source."""
    numbers = range(ROWS)
    tenure = [number % 73 for number in numbers]
    monthly = [20.0 + number % 90 for number in numbers]
    payments = ["Electronic check", "Mailed check", "Bank transfer (automatic)", "Credit card (automatic)"]
    rows = pl.DataFrame({
        "customer_id": [f"{number:04d}-ABCDE" for number in numbers],
        "tenure": tenure,
        "monthly_charges": monthly,
        "total_charges": [
            None if number < 6 else max(months, 1) * charge
            for number, months, charge in zip(numbers, tenure, monthly, strict=True)
        ],
        "churn": ["Yes" if number % 200 < 53 else "No" for number in numbers],
        "contract": [["Month-to-month", "One year", "Two year"][number % 3] for number in numbers],
        "internet_service": [["DSL", "Fiber optic", "No"][number % 3] for number in numbers],
        "payment_method": [payments[number % 4] for number in numbers],
    })
    return {"rows": rows, "source": pl.DataFrame({"rows": [ROWS], "columns": [8], "age_days": [2.5]})}


def put(column: str, value: Any, first: int = 0, count: int = 3) -> Callable[[Tables], Tables]:
    """Change `count` rows of a column."""

    def change(tables: Tables) -> Tables:
        row = pl.int_range(pl.len())
        changed = pl.when(row.is_between(first, first + count - 1)).then(pl.lit(value)).otherwise(pl.col(column))
        return {**tables, "rows": tables["rows"].with_columns(changed.alias(column))}

    return change


def cast(column: str, kind: Any) -> Callable[[Tables], Tables]:
    return lambda tables: {**tables, "rows": tables["rows"].with_columns(pl.col(column).cast(kind))}


BREAKS: list[tuple[int, str, Callable[[Tables], Tables], int]] = [
    (0, "blank_id", put("customer_id", None), 3),
    (1, "blank_target", put("churn", None), 3),
    (2, "blank_tenure", put("tenure", None), 3),
    (3, "blank_charges", put("monthly_charges", None), 3),
    (4, "many_blank_totals", put("total_charges", None, count=20), 20),
    (5, "tenure_is_float", cast("tenure", pl.Float64), 0),
    (6, "charges_are_whole", cast("monthly_charges", pl.Int64), 0),
    (7, "id_of_another_form", put("customer_id", "12-abc", count=1), 1),
    (8, "tenure_too_long", put("tenure", 121), 3),
    (9, "charges_too_high", put("monthly_charges", 500.5, count=4), 4),
    (10, "negative_totals", put("total_charges", -1.0, first=20), 3),
    (11, "unknown_target", put("churn", "Maybe"), 3),
    (12, "unknown_contract", put("contract", "Three years"), 3),
    (13, "unknown_internet", put("internet_service", "Cable"), 3),
    (14, "unknown_payment", put("payment_method", "Cash"), 3),
    (15, "skewed_target", put("churn", "Yes", count=1000), 0),
    (16, "totals_below_a_month", put("total_charges", 1.0, first=100, count=50), 50),
    (17, "same_id_twice", put("customer_id", "0007-ABCDE", count=1), 2),
    (18, "too_few_rows", lambda tables: {**tables, "rows": tables["rows"].head(800)}, 0),
    (19, "stale_source", lambda tables: {**tables, "source": pl.DataFrame({"age_days": [36.0]})}, 1),
]
ALSO_BROKEN = {"unknown_target": {15}}
"""A value that the expected distribution does not have makes the divergence infinite."""


def check(name: str, *, of: str = "rows", severity: str = "critical", **kwargs: Any) -> Check:
    return Check.model_validate({
        "check": name,
        "dimension": "validity",
        "severity": severity,
        "of": of,
        "kwargs": kwargs,
    })


def test_every_check_of_churn_passes_on_correct_data() -> None:
    results, own = run(CHURN.validation, good_tables())
    assert [result.check for result in results] == [check.check for check in CHURN.validation]
    assert [result for result in results if not result.passed] == []
    evaluated = [result for suites in own.values() for suite in suites for result in suite["results"]]
    assert {*own} == {"rows", "source"}
    assert sorted(result["expectation_config"]["meta"]["number"] for result in evaluated) == list(range(len(results)))
    json.dumps(own, allow_nan=False)


def test_a_check_of_some_rows_sees_the_columns_of_its_condition() -> None:
    rows = pl.DataFrame({"a": [1, 2, 3], "b": [1, 1, 0], "c": ["x", "y", "z"]})
    condition = {"type": "comparison", "column": {"name": "b"}, "operator": "==", "parameter": 1}
    limits: dict[str, Any] = {"min_value": 2, "max_value": 2, "row_condition": condition}
    checks = [
        check("expect_column_max_to_be_between", column="a", **limits),
        check("expect_table_row_count_to_be_between", **limits),
        check("expect_table_columns_to_match_ordered_list", column_list=["a", "b", "c"]),
    ]
    results, _ = run(checks, {"rows": rows})
    assert [result.passed for result in results] == [True, True, True]


@pytest.mark.parametrize(
    ("number", "name", "change", "unexpected"), BREAKS, ids=[f"{number}_{name}" for number, name, *_ in BREAKS]
)
def test_each_check_of_churn_fails_where_its_column_is_broken(
    number: int, name: str, change: Callable[[Tables], Tables], unexpected: int
) -> None:
    results, _ = run(CHURN.validation, change(good_tables()))
    failed = {position for position, result in enumerate(results) if not result.passed}
    assert failed == {number} | ALSO_BROKEN.get(name, set())
    assert results[number].unexpected == unexpected
    assert results[number].severity == CHURN.validation[number].severity


def test_every_check_has_a_case() -> None:
    assert [number for number, *_ in BREAKS] == list(range(len(CHURN.validation)))


def test_counts_shares_and_examples() -> None:
    rows = pl.DataFrame({"months": [1, 2, 200, 200, 300, 400, 500, 600, 700, None]})
    (result,), _ = run([check("expect_column_values_to_be_between", column="months", max_value=120)], {"rows": rows})
    assert result.unexpected == 7
    assert result.share == pytest.approx(7 / 9)
    assert result.examples == [200.0, 300.0, 400.0, 500.0, 600.0]
    assert result.message == "expected max_value 120"


def test_an_unexpected_class_is_seen_in_the_shares() -> None:
    partition = {"values": ["a", "b"], "weights": [0.5, 0.5]}
    kl = check("expect_column_kl_divergence_to_be_less_than", column="kind", partition_object=partition, threshold=0.1)
    (result,), _ = run([kl], {"rows": pl.DataFrame({"kind": ["a", "b", "c", "a"]})})
    assert not result.passed
    assert result.observed == {"divergence": "infinite", "a": 0.5, "b": 0.25, "c": 0.25}


def test_a_long_list_is_cut_in_the_message() -> None:
    kinds = check("expect_column_values_to_be_in_set", column="kind", value_set=[f"kind {n}" for n in range(500)])
    (result,), _ = run([kinds], {"rows": pl.DataFrame({"kind": ["x"]})})
    assert len(result.message) < 200


def test_missing_values_are_named_by_row() -> None:
    rows = pl.DataFrame({"months": [1, None, 3, None]})
    (result,), _ = run([check("expect_column_values_to_not_be_null", column="months")], {"rows": rows})
    assert (result.unexpected, result.share, result.examples) == (2, 0.5, ["row 2", "row 4"])


def test_equal_checks_have_a_result_each() -> None:
    one = check("expect_column_values_to_be_between", column="months", max_value=1)
    results, _ = run([one, one], {"rows": pl.DataFrame({"months": [1, 2]})})
    assert [result.unexpected for result in results] == [1, 1]


@pytest.mark.parametrize("severity", ["critical", "warning"])
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("expect_column_values_to_not_be_null", {"column": "nothing"}),
        ("expect_column_values_to_be_in_type_list", {"column": "nothing", "type_list": ["int64"]}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "months", "column_B": "nothing"}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["months", "nothing"]}),
    ],
    ids=["column", "type", "pair", "compound"],
)
def test_a_check_of_a_column_that_is_not_there_is_critical(name: str, kwargs: dict[str, Any], severity: str) -> None:
    tables = {"rows": pl.DataFrame({"months": [1], "charges": [2.0]})}
    (result,), _ = run([check(name, severity=severity, **kwargs)], tables)
    assert (result.passed, result.severity) == (False, "critical")
    assert result.message == "column 'nothing' is not in the data; columns: months, charges"


def test_a_fact_that_is_not_known_fails() -> None:
    fresh = check("expect_column_values_to_be_between", of="source", column="newest_row_age_days", max_value=3)
    (result,), _ = run([fresh], {"rows": pl.DataFrame({"a": [1]}), "source": pl.DataFrame({"age_days": [1.0]})})
    assert not result.passed
    assert "'newest_row_age_days' is not in what is known about the source" in result.message


def test_whether_a_column_exists_keeps_its_severity() -> None:
    tables = {"rows": pl.DataFrame({"months": [1]})}
    (result,), _ = run([check("expect_column_to_exist", severity="warning", column="nothing")], tables)
    assert (result.passed, result.severity) == (False, "warning")


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("expect_column_values_to_be_between", {"column": "text", "min_value": 0}, "of the same type"),
        ("expect_column_values_to_match_regex", {"column": "text", "regex": "("}, "unterminated subpattern"),
        (
            "expect_column_kl_divergence_to_be_less_than",
            {"column": "text", "partition_object": {"wrong": 1}, "threshold": 0.1},
            "Invalid partition_object",
        ),
        ("expect_column_mean_to_be_between", {"column": "text", "min_value": 0}, "unsupported|concatenate|convert"),
    ],
    ids=["text_between_numbers", "pattern", "breaks_the_suite", "mean_of_text"],
)
def test_what_raises_inside_has_failed_and_leaves_the_others_alone(
    name: str, kwargs: dict[str, Any], message: str
) -> None:
    others = check("expect_column_values_to_not_be_null", column="text")
    bad = check(name, **kwargs)
    results, own = run([others, bad, others], {"rows": pl.DataFrame({"text": ["a", "b"]})})
    assert [result.passed for result in results] == [True, False, True]
    assert re.match(f"it could not be evaluated: .*({message})", results[1].message)
    json.dumps(own, allow_nan=False)


def test_a_regular_expression_that_backtracks_has_failed_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expectations, "LONGEST_SECONDS", 0.5)
    good, bad = (check("expect_column_values_to_match_regex", column="text", regex=one) for one in ("^a", "(?:a+)+$"))
    results, _ = run([good, bad, good], {"rows": pl.DataFrame({"text": ["a" * 40 + "b"]})})
    assert [result.passed for result in results] == [True, False, True]
    assert "a repeat inside a repeat such as `(a+)+` tries very many ways" in results[1].message


@pytest.mark.parametrize(
    ("values", "kind", "name"),
    [
        ([1, 2, 3], pl.Int64, "int64"),
        ([1, None, 3], pl.Int64, "int64"),
        ([1, None, 3], pl.Int32, "int32"),
        ([1.0, None, 3.0], pl.Float64, "float64"),
        ([True, None, False], pl.Boolean, "bool"),
        ([True, True, False], pl.Boolean, "bool"),
        (["a", None, "b"], pl.String, "str"),
        (["a", None, "b"], pl.Categorical, "str"),
        ([None, None, None], pl.Int64, "int64"),
    ],
    ids=["int", "int_missing", "int32_missing", "float", "bool_missing", "bool", "text", "category", "all_missing"],
)
def test_type_names(values: list[Any], kind: Any, name: str) -> None:
    tables = {
        "rows": pl.DataFrame({"a": pl.Series(values, dtype=pl.String if kind == pl.Categorical else kind).cast(kind)})
    }
    others = [other for other in ("int64", "int32", "float64", "bool", "str", "datetime64[us]") if other != name]
    checks = [
        check("expect_column_values_to_be_in_type_list", column="a", type_list=[name]),
        check("expect_column_values_to_be_in_type_list", column="a", type_list=others),
        check("expect_column_values_to_be_of_type", column="a", type_=name),
    ]
    results, _ = run(checks, tables)
    assert [result.passed for result in results] == [True, False, True]


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("ms"), pl.Datetime("ns")], ids=str)
def test_dates_have_one_type(kind: Any) -> None:
    tables = {"rows": pl.DataFrame({"day": pl.Series(["2024-01-01", None]).str.to_date().cast(kind)})}
    checks = [check("expect_column_values_to_be_in_type_list", column="day", type_list=["datetime64[us]"])]
    assert run(checks, tables)[0][0].passed


@pytest.mark.parametrize(
    ("name", "kwargs", "passes"),
    [
        ("expect_column_values_to_be_between", {"column": "whole", "min_value": 1, "max_value": 3}, True),
        ("expect_column_values_to_be_in_set", {"column": "whole", "value_set": [1, 3]}, True),
        ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True]}, False),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "whole", "column_B": "zero"}, False),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "whole", "column_B": "zero", "mostly": 0.6},
            True,
        ),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "whole", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[1, 3]]}},
            True,
        ),
    ],
    ids=["between", "set", "flags", "pair_with_missing", "pair_mostly", "quantile"],
)
def test_whole_numbers_and_flags_with_missing_values(name: str, kwargs: dict[str, Any], passes: bool) -> None:
    rows = pl.DataFrame({"whole": [1, None, 3], "zero": [0, 0, 0], "flag": [True, None, False]})
    (result,), own = run([check(name, **kwargs)], {"rows": rows})
    assert result.passed is passes
    assert "evaluated" not in result.message
    json.dumps(own, allow_nan=False)


def test_only_some_rows() -> None:
    condition = {"type": "comparison", "column": {"name": "months"}, "operator": ">", "parameter": 1}
    some = check("expect_column_values_to_be_between", column="charges", min_value=5, row_condition=condition)
    (result,), _ = run([some], {"rows": pl.DataFrame({"months": [1, 2, 3], "charges": [1, 9, 4]})})
    assert (result.unexpected, result.share) == (1, 0.5)


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("expect_column_values_to_be_betwen", {"column": "a"}, "did you mean 'expect_column_values_to_be_between'"),
        (
            "expect_column_values_to_be_between",
            {"column": "a", "minvalue": 1},
            "unknown 'minvalue'; did you mean 'min_value'",
        ),
        ("expect_column_values_to_be_between", {"min_value": 1}, "column: field required"),
        ("expect_column_values_to_be_between", {"column": "a"}, "min_value or max_value must be given"),
        (
            "expect_column_mean_to_be_between",
            {"column": "a", "min_value": None},
            "min_value or max_value must be given",
        ),
        ("expect_table_row_count_to_be_between", {}, "min_value or max_value must be given"),
        ("expect_column_values_to_be_in_set", {"column": "a"}, "value_set: field required"),
        (
            "expect_column_values_to_be_in_set",
            {"column": "a", "value_set": "x"},
            "value_set: value is not a valid list",
        ),
        ("expect_column_values_to_not_be_null", {"column": "a", "mostly": 3}, "mostly: .* less than or equal to 1"),
        ("expect_column_values_to_be_in_type_list", {"column": "a"}, "type_list must be given"),
        (
            "expect_column_kl_divergence_to_be_less_than",
            {"column": "a", "threshold": 1},
            "partition_object must be given",
        ),
        ("expect_column_values_to_not_be_null", {"column": "a", "meta": {}}, "unknown 'meta'"),
        (
            "expect_column_values_to_not_be_null",
            {"column": "a", "catch_exceptions": False},
            "unknown 'catch_exceptions'",
        ),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": {"$PARAMETER": "b"}}, "suite parameters"),
        ("expect_column_values_to_not_be_null", {"column": "a", "row_condition": "a > 1"}, "texts are deprecated"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40],
)
def test_a_wrong_check_is_refused_without_data(name: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        check_checks([check(name, **kwargs)])
    assert str(refused.value).startswith(f"validation, check 1 ({name}): ")
    with pytest.raises(ConfigurationError, match=message):
        run([check(name, **kwargs)], {"rows": pl.DataFrame({"a": [1]})})


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"check 1 .*\n.*check 3 "):
        check_checks([check("expect_x"), check("expect_column_to_exist", column="a"), check("expect_y")])


def test_the_checks_of_churn_are_sound() -> None:
    check_checks(CHURN.validation)
    check_checks([])


def test_no_checks_no_results() -> None:
    assert run([], {}) == ([], {})


def test_nothing_is_printed_logged_or_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    caplog.set_level(logging.INFO)
    run(CHURN.validation, put("tenure", "text", count=1200)(good_tables()))
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_what_raised_has_not_passed_whatever_else_is_said() -> None:
    info = {"raised_exception": True, "exception_message": "no such metric"}
    found = {"success": True, "result": {}, "exception_info": {"a metric": info}}
    result = check_result(CHURN.validation[0], found)
    assert (result.passed, result.message) == (False, "it could not be evaluated: no such metric")


@pytest.mark.parametrize("bound", [date(2026, 1, 15), "2026-01-15", datetime(2026, 1, 15), "2026-01-15T00:00:00"])
@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("us")], ids=["date", "datetime"])
def test_a_bound_may_be_a_date(bound: Any, kind: Any) -> None:
    rows = pl.DataFrame({"day": pl.Series([date(2026, 1, 1), date(2026, 2, 1)]).cast(kind)}).lazy()
    kwargs = {"column": "day", "min_value": bound}
    check = Check(check="expect_column_values_to_be_between", dimension="validity", kwargs=kwargs)
    ((result,), _) = run_checks([check], {"rows": rows})
    assert (result.unexpected, result.examples) == (1, ["2026-01-01T00:00:00"])
