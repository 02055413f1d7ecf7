"""The frugal engine finds what Great Expectations' own engine for Pandas finds, whatever is in the columns."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from trainer.checks.batches import CheckBatch, as_pandas
from trainer.checks.expectations import RESULT_FORMAT, _great_expectations, run_checks
from trainer.checks.results import plain
from trainer.pipeline import Check

gx = _great_expectations()
COUNT = 120
NUMBERS = range(COUNT)


def every(step: int, value: Any, other: Any) -> list[Any]:
    return [value if number % step == 0 else other for number in NUMBERS]


TABLE = pl.DataFrame({
    "kind": [["a", "bb", "é\n", "", None, "12", "=x"][number % 7] for number in NUMBERS],
    "other_kind": [["a", "bb", "no"][number % 3] for number in NUMBERS],
    "key": [f"K{number:03d}" for number in NUMBERS],
    "loose": [None if number % 4 == 0 else f"{number % 90}" for number in NUMBERS],
    "nothing": pl.Series([None] * COUNT, dtype=pl.String),
    "same": ["x"] * COUNT,
    "document": [['{"a": 1}', "[1", '{"a": "b"}', None][number % 4] for number in NUMBERS],
    "day_text": [["2026-01-31", "31.01.2026", "no day"][number % 3] for number in NUMBERS],
    "category": pl.Series([["p", "q"][number % 2] for number in NUMBERS], dtype=pl.Categorical),
    "whole": list(NUMBERS),
    "gaps": every(6, None, 3),
    "real": [number / 7 if number % 9 else float("nan") for number in NUMBERS],
    "wild": every(11, float("inf"), -1.5),
    "flag": every(2, True, False),
    "doubt": every(5, None, True),
    "day": [None if number % 10 == 0 else date(2026, 1, 1) + timedelta(days=number) for number in NUMBERS],
    "moment": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number) for number in NUMBERS],
})
Cases = list[tuple[str, dict[str, Any]]]
TEXTS = ["kind", "other_kind", "key", "loose", "nothing", "same", "document", "day_text", "category"]
NUMERIC = ["whole", "gaps", "real", "wild"]
OF_ANY: Cases = [
    ("expect_column_values_to_not_be_null", {}),
    ("expect_column_values_to_be_null", {"mostly": 0.2}),
    ("expect_column_values_to_be_unique", {}),
    ("expect_column_values_to_be_in_set", {"value_set": ["a", "K001", 3, True, 1.5]}),
    ("expect_column_values_to_not_be_in_set", {"value_set": ["a", "x", 3]}),
    ("expect_column_unique_value_count_to_be_between", {"min_value": 2, "max_value": 5}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"min_value": 0.1, "max_value": 0.9}),
    ("expect_column_distinct_values_to_be_in_set", {"value_set": ["a", "bb", "no"]}),
    ("expect_column_distinct_values_to_contain_set", {"value_set": ["a", "bb"]}),
    ("expect_column_most_common_value_to_be_in_set", {"value_set": ["a", "x", 3]}),
    ("expect_column_values_to_match_regex", {"regex": r"^\w+$", "mostly": 0.5}),
    ("expect_column_values_to_not_match_regex", {"regex": "x$"}),
]
OF_TEXTS: Cases = [
    ("expect_column_values_to_be_between", {"min_value": 1, "max_value": 20}),
    ("expect_column_values_to_match_regex_list", {"regex_list": ["^a", "b$"], "match_on": "any"}),
    ("expect_column_values_to_not_match_regex_list", {"regex_list": ["^a", "b$"]}),
    ("expect_column_value_lengths_to_be_between", {"min_value": 1, "max_value": 3}),
    ("expect_column_value_lengths_to_equal", {"value": 2}),
    ("expect_column_values_to_match_strftime_format", {"strftime_format": "%Y-%m-%d"}),
    ("expect_column_values_to_be_dateutil_parseable", {}),
    ("expect_column_values_to_be_json_parseable", {}),
    (
        "expect_column_values_to_match_json_schema",
        {"json_schema": {"type": "object", "properties": {"a": {"type": "number"}}}},
    ),
    ("expect_column_min_to_be_between", {"min_value": 1, "max_value": 20}),
    ("expect_column_kl_divergence_to_be_less_than",
     {"partition_object": {"values": ["a", "bb", "no"], "weights": [0.4, 0.3, 0.3]}, "threshold": 0.1}),
]  # fmt: skip
OF_NUMBERS: Cases = [
    ("expect_column_values_to_be_between", {"min_value": 1, "max_value": 10}),
    ("expect_column_mean_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_median_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_stdev_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_sum_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_min_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_max_to_be_between", {"min_value": 0, "max_value": 10}),
    ("expect_column_value_z_scores_to_be_less_than", {"threshold": 2, "double_sided": True}),
    ("expect_column_quantile_values_to_be_between",
     {"quantile_ranges": {"quantiles": [0.1, 0.5], "value_ranges": [[0, 5], [1, 90]]}}),
]  # fmt: skip
CONDITION = {"type": "comparison", "column": {"name": "whole"}, "operator": ">", "parameter": 60}
OF_SEVERAL: Cases = [
    ("expect_column_pair_values_to_be_equal", {"column_A": "kind", "column_B": "other_kind"}),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "kind", "column_B": "other_kind", "ignore_row_if": "either_value_is_missing"},
    ),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "whole", "column_B": "gaps", "or_equal": True}),
    ("expect_column_pair_values_to_be_in_set",
     {"column_A": "kind", "column_B": "other_kind", "value_pairs_set": [["a", "a"], ["bb", "no"]]}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["kind", "other_kind"]}),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": ["kind", "other_kind"]}),
    ("expect_multicolumn_sum_to_equal", {"column_list": ["whole", "gaps"], "sum_total": 6}),
    ("expect_column_values_to_be_in_set", {"column": "kind", "value_set": ["a"], "row_condition": CONDITION}),
    ("expect_column_values_to_match_regex", {"column": "key", "regex": "9$", "row_condition": CONDITION}),
    ("expect_column_mean_to_be_between", {"column": "real", "min_value": 0, "row_condition": CONDITION}),
]  # fmt: skip
CASES: Cases = [
    *((name, {**kwargs, "column": column}) for (name, kwargs), column in itertools.product(OF_ANY, TABLE.columns)),
    *((name, {**kwargs, "column": column}) for (name, kwargs), column in itertools.product(OF_TEXTS, TEXTS)),
    *((name, {**kwargs, "column": column}) for (name, kwargs), column in itertools.product(OF_NUMBERS, NUMERIC)),
    *OF_SEVERAL,
]


ONE_OF_EACH_TYPE = {"kind", "document", "category", "gaps", "wild", "flag", "day", None}
FEWER_CASES = [(name, kwargs) for name, kwargs in CASES if kwargs.get("column") in ONE_OF_EACH_TYPE]
"""For tables whose rows say little."""


def checks(cases: Cases) -> list[Check]:
    return [Check(check=name, dimension="validity", kwargs=kwargs) for name, kwargs in cases]


def theirs(rows: pl.DataFrame, cases: Cases) -> list[dict[str, Any]]:
    """What the engine of Great Expectations finds on a frame of Pandas without categories."""
    frame = as_pandas(rows.lazy(), CheckBatch("rows", tuple(rows.columns), "table"))
    config = gx.data_context.types.base.DataContextConfig(
        store_backend_defaults=gx.data_context.types.base.InMemoryStoreBackendDefaults(),
        progress_bars=gx.data_context.types.base.ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    data = context.data_sources.add_pandas("plain").add_dataframe_asset("rows")
    batch = data.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    found = []
    for name, kwargs in cases:
        expectation = gx.expectations.registry.get_expectation_impl(name)(**kwargs)
        try:
            found.append(plain(batch.validate(expectation, result_format=RESULT_FORMAT).to_json_dict()))
        except Exception as error:  # noqa: BLE001  (whatever it is, ours has to fail as well)
            found.append({"success": False, "result": {}, "raised": str(error)})
    return found


def ours(rows: pl.DataFrame, cases: Cases) -> list[dict[str, Any]]:
    _, own = run_checks(checks(cases), {"rows": rows.lazy()})
    results = [result for suite in own["rows"] for result in suite["results"]]
    return sorted(results, key=lambda result: result["expectation_config"]["meta"]["number"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite numbers
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(TABLE.with_row_index("whole_too").sample(fraction=1, shuffle=True, seed=3), id="many"),
        pytest.param(TABLE, id="in order", marks=pytest.mark.slow),
        pytest.param(TABLE.head(0), id="none"),
        pytest.param(TABLE.head(1), id="one"),
    ],
)
def test_each_check_finds_what_it_finds_on_pandas(rows: pl.DataFrame) -> None:
    cases = CASES if rows.height > 1 else FEWER_CASES
    expected, found = theirs(rows, cases), ours(rows, cases)
    assert len(expected) == len(found) == len(cases)
    for case, one, other in zip(cases, expected, found, strict=True):
        assert one["success"] == other["success"], case
        assert _close(one["result"], other["result"]), (case, one["result"], other["result"])
    assert 20 < sum(result["success"] for result in found) or rows.height < 2


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(itertools.starmap(_close, zip(one, other, strict=True)))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-12, nan_ok=True)
    return type(one) is type(other) and one == other


def test_a_value_is_looked_at_once_and_only_its_column_is_handed_out() -> None:
    from great_expectations.validator.validator import Validator

    from trainer.checks.engine import FrugalPandasEngine

    frame = as_pandas(TABLE.lazy(), CheckBatch("rows", ("kind", "key", "whole"), "values"))
    assert frame.dtypes.astype(str).to_dict() == {"kind": "category", "key": "category", "whole": "int64"}
    engine = FrugalPandasEngine(frame)
    seen: list[tuple[list[str], int]] = []
    real = FrugalPandasEngine.get_domain_records

    class Watched(FrugalPandasEngine):
        def get_domain_records(self, domain_kwargs: Any) -> Any:
            records = real(self, domain_kwargs)
            seen.append((list(records), len(records)))
            return records

    engine.__class__ = Watched
    validator = Validator(engine)
    expectation = gx.expectations.ExpectColumnValuesToMatchRegex(column="kind", regex="^a")
    [result] = validator.graph_validate([expectation.configuration], {"result_format": RESULT_FORMAT})
    assert not result.success
    assert (["kind"], TABLE["kind"].drop_nulls().n_unique()) in seen
    assert {tuple(names) for names, _ in seen} <= {("kind",), ("kind", "key", "whole")}
