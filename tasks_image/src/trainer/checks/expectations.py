"""The pipeline's checks as Great Expectations expectations, run on Pandas.

Type names that `expect_column_values_to_be_in_type_list` and `…_of_type` see: `int64` (and the other widths),
`float64`, `bool`, `datetime64[us]` (dates too) and, for text, `str`. Missing values do not change a column's type.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import re
import warnings
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from trainer.checks.batches import ABOUT_COLUMNS, as_pandas, numbers_by_part
from trainer.checks.results import absent_result, check_result, columns_of, plain
from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean
from trainer.process.time_limit import TimeIsOverError, time_limit

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from trainer.pipeline import Check
    from trainer.run.records import CheckResult

RESULT_FORMAT = {
    "result_format": "SUMMARY", "partial_unexpected_count": 50, "return_unexpected_index_query": False
}  # fmt: skip
"""Enough unexpected values to find five that differ, and no query that lists the rows of all."""

BOUNDS = {"min_value", "max_value"}
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

MANY_CELLS = 20_000_000

NOT_FROM_A_FILE = {"batch_id", "condition_parser"}
LIMITS = {
    "expect_column_kl_divergence_to_be_less_than": ("partition_object", "threshold"),
    "expect_column_values_to_be_in_type_list": ("type_list",),
    "expect_column_values_to_match_regex": ("regex",),
    "expect_table_columns_to_match_ordered_list": ("column_list",),
    "expect_table_columns_to_match_set": ("column_set",),
}
"""Arguments without which Great Expectations passes anything; beside these, a `…_to_be_between` needs an end."""

LONGEST_SECONDS = 600
"""For the checks of one part of a table, and then for each of them alone."""
TOO_LONG = (
    f"it took longer than {LONGEST_SECONDS} s. If it is a regular expression, a repeat inside a repeat such as `(a+)+` "
    "tries very many ways to match; write it without"
)


def run_checks(checks: list[Check], tables: dict[str, pl.LazyFrame]) -> tuple[list[CheckResult], dict[str, Any]]:
    """What each check found, in the order given, and Great Expectations' own results by table.

    Checks of the same columns are run together, and only these columns are held in memory meanwhile.
    `tables` holds `rows` and `source` (see Check.of). A check of a column that is not there has failed and is critical
    whatever it declares; one that Great Expectations cannot evaluate has failed. Raises ConfigurationError where a
    check is wrong in itself.
    """
    import polars as pl

    if not checks:
        return [], {}
    expectations = _expectations(checks)
    present = {name: rows.collect_schema().names() for name, rows in tables.items()}
    absent = {number: _absent_columns(check, present[check.of]) for number, check in enumerate(checks)}
    evaluated: dict[int, dict[str, Any]] = {}
    own: dict[str, list[dict[str, Any]]] = {}
    cells = 0
    heights = {name: int(rows.select(pl.len()).collect().item()) for name, rows in tables.items()}
    for part, numbers in numbers_by_part(checks, absent, heights).items():
        if cells > MANY_CELLS:
            gc.collect()  # Great Expectations' objects refer to each other in circles, and so keep the rows
        frame = as_pandas(tables[part.table], part)
        cells = frame.size
        suites = _validate(part.table, frame, [expectations[number] for number in numbers])
        del frame
        own.setdefault(part.table, []).extend(suites)
        found = [result for suite in suites for result in suite["results"]]
        evaluated |= {result["expectation_config"]["meta"]["number"]: result for result in found}
    results = [
        absent_result(check, absent[number], present[check.of])
        if absent[number]
        else check_result(check, evaluated[number])
        for number, check in enumerate(checks)
    ]
    return results, own


def check_checks(checks: list[Check]) -> None:
    """Raise ConfigurationError, one line per mistake, for unknown expectations and unknown, missing or wrong kwargs."""
    if checks:
        _expectations(checks)


def _expectations(checks: list[Check]) -> list[Any]:
    built, mistakes = [], []
    for number, check in enumerate(checks):
        try:
            built.append(_expectation(check, number))
        except ConfigurationError as error:
            mistakes.append(f"validation, check {number + 1} ({check.check}): {error}")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return built


def _expectation(check: Check, number: int) -> Any:
    implementation = _implementation(check.check)
    kwargs = {key: _as_timestamps(key, value) for key, value in check.kwargs.items() if value is not None}
    _refuse_wrong_kwargs(check.check, kwargs, {*implementation.domain_keys, *implementation.success_keys})
    meta = {"number": number, "dimension": check.dimension}
    try:
        return implementation(**kwargs, meta=meta, severity=check.severity, catch_exceptions=True)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"kwargs: {_reasons(error)}") from error


def _as_timestamps(key: str, value: Any) -> Any:
    """A bound or a set of dates as timestamps at midnight, which is what columns of dates are compared as."""
    if key in BOUNDS:
        return _as_timestamp(value)
    if key == "value_set" and isinstance(value, list):
        return [_as_timestamp(one) if isinstance(one, date) else one for one in value]
    return value


def _as_timestamp(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  (tables hold UTC without a zone)
    if isinstance(value, str) and DATE.match(value):
        with contextlib.suppress(ValueError):  # Great Expectations refuses it
            return datetime.fromisoformat(value)
    return value


def _implementation(name: str) -> Any:
    gx = _great_expectations()
    registry = gx.expectations.registry
    known = registry.list_registered_expectation_implementations()
    if name not in known:
        raise ConfigurationError(f"there is no such expectation{did_you_mean(name, known)}")
    return registry.get_expectation_impl(name)


def _refuse_wrong_kwargs(check: str, kwargs: dict[str, Any], keys: set[str]) -> None:
    allowed = keys - NOT_FROM_A_FILE
    for key, value in kwargs.items():
        if key not in allowed:
            raise ConfigurationError(f"kwargs: unknown {key!r}{did_you_mean(key, allowed)}")
        if isinstance(value, dict) and "$PARAMETER" in value:
            raise ConfigurationError(f"kwargs.{key}: suite parameters cannot be given; write the value itself")
    if isinstance(kwargs.get("row_condition"), str):
        raise ConfigurationError(
            "kwargs.row_condition: texts are deprecated; write a mapping such as "
            "{type: comparison, column: {name: tenure}, operator: '>', parameter: 0}"
        )
    lacking = [key for key in LIMITS.get(check, ()) if key not in kwargs]
    if lacking:
        raise ConfigurationError(f"kwargs: {', '.join(lacking)} must be given, or the check would pass anything")
    if (
        check.endswith("_to_be_between")
        and {"min_value", "max_value"} <= allowed
        and not {"min_value", "max_value"} & {*kwargs}
    ):
        raise ConfigurationError("kwargs: min_value or max_value must be given, or the check would pass anything")


def _reasons(error: Exception) -> str:
    """The first complaint about each argument; the others only say which other types it could have had."""
    details = error.errors() if hasattr(error, "errors") else []
    first = {str(detail["loc"][0]): detail["msg"] for detail in reversed(details)}
    if not first:
        return str(error)
    return "; ".join(msg if key == "__root__" else f"{key}: {msg}" for key, msg in sorted(first.items()))


def _absent_columns(check: Check, present: list[str]) -> list[str]:
    if check.check.startswith(ABOUT_COLUMNS):
        return []
    return [column for column in columns_of(check) if column not in present]


def _validate(name: str, frame: pd.DataFrame, expectations: list[Any]) -> list[dict[str, Any]]:
    """Results of the suite; where one expectation breaks the whole suite, of one suite for each."""
    try:
        with time_limit(LONGEST_SECONDS):
            return [_run_suite(name, frame, expectations)]
    except (Exception, TimeIsOverError) as error:  # noqa: BLE001  (whatever it is, the check has not passed)
        if len(expectations) > 1:
            return [result for one in expectations for result in _validate(name, frame, [one])]
        config = plain(expectations[0].configuration.to_json_dict())
        message = TOO_LONG if isinstance(error, TimeIsOverError) else f"{type(error).__name__}: {error}"
        exception = {"raised_exception": True, "exception_message": message}
        return [
            {"results": [{"success": False, "expectation_config": config, "result": {}, "exception_info": exception}]}
        ]


def _run_suite(name: str, frame: pd.DataFrame, expectations: list[Any]) -> dict[str, Any]:
    gx = _great_expectations()
    from great_expectations.validator.validator import Validator, calc_validation_statistics

    from trainer.checks.engine import FrugalPandasEngine

    types = gx.data_context.types.base
    config = types.DataContextConfig(
        store_backend_defaults=types.InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=types.ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    validator = Validator(FrugalPandasEngine(frame), data_context=context)
    found = validator.graph_validate(
        [one.configuration for one in expectations], runtime_configuration={"result_format": RESULT_FORMAT}
    )
    statistics = calc_validation_statistics(found)
    results = gx.core.ExpectationSuiteValidationResult(
        success=statistics.success, results=found, suite_name=name, statistics=statistics._asdict()
    )
    own: dict[str, Any] = plain(results.to_json_dict())
    return own


def _great_expectations() -> Any:
    # Before the import: it logs hundreds of lines while it registers its expectations.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Its own imports name `sre_constants`, which Python has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx

    return gx
