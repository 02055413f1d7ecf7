"""Checks of many rows, beside Great Expectations on Pandas as its documentation has it."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands import PROJECT
from bench.figure import Figure
from bench.timing import alternate, cpu_seconds
from trainer.errors import TrainerError
from trainer.pipeline import Check, Pipeline, SampleSource, load_pipeline
from trainer.sources.readers import write_source

if TYPE_CHECKING:
    import pandas as pd

ROWS = 1_000_000
REPEATS = 3
GOAL = 5.0
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 50}
TOLERANCE = 1e-9


def _checks(pipeline: Pipeline) -> list[Check]:
    """Those of the churn pipeline's rows, and as many more as make 31; some fail, as in life."""
    more = [
        ("expect_column_values_to_not_be_null", {"column": "gender"}),
        ("expect_column_values_to_not_be_null", {"column": "contract"}),
        ("expect_column_values_to_be_in_set", {"column": "gender", "value_set": ["Female", "Male"]}),
        ("expect_column_values_to_be_in_set", {"column": "partner", "value_set": ["Yes"]}),
        ("expect_column_values_to_be_in_set", {"column": "senior_citizen", "value_set": [0, 1]}),
        ("expect_column_value_lengths_to_be_between", {"column": "payment_method", "min_value": 5, "max_value": 30}),
        ("expect_column_values_to_not_match_regex", {"column": "tech_support", "regex": "^No"}),
        ("expect_column_mean_to_be_between", {"column": "monthly_charges", "min_value": 0, "max_value": 99}),
        ("expect_column_median_to_be_between", {"column": "tenure", "min_value": 1, "max_value": 72}),
        ("expect_column_stdev_to_be_between", {"column": "monthly_charges", "min_value": 1, "max_value": 99}),
        ("expect_column_max_to_be_between", {"column": "tenure", "min_value": 50, "max_value": 72}),
        ("expect_column_unique_value_count_to_be_between", {"column": "contract", "min_value": 2, "max_value": 5}),
    ]
    added = [Check(check=check, dimension="validity", kwargs=kwargs) for check, kwargs in more]
    return [check for check in pipeline.validation if check.of == "rows"] + added


def validation() -> list[Figure]:
    """The CPU seconds of both; raises TrainerError where they do not find the same."""
    import polars as pl

    pipeline = load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml")
    checks = _checks(pipeline)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        _write_rows(pipeline, file)
        ours, theirs = _Ours(checks, file), _Theirs(checks, pl.read_parquet(file).to_pandas())
        pair = alternate(lambda: cpu_seconds(theirs.run), lambda: cpu_seconds(ours.run), REPEATS)
    _refuse_other_findings(theirs.found, ours.found)
    what = (
        f"{len(checks)} checks of {ROWS:,} rows x 21 columns: Great Expectations on a Pandas frame that is there, "
        f"against ours from a Parquet file, read included; all results are equal; median of {REPEATS} pairs"
    )
    return [Figure("validation", pair.value, pair.reference, GOAL, "higher", "s", what)]


def _write_rows(pipeline: Pipeline, file: Path) -> None:
    source = pipeline.source
    own = {"missing": source.missing, "rename": source.rename, "types": source.types}
    write_source(SampleSource.model_validate({"sample": "telco", "rows": ROWS, "seed": 1, **own}), file)


class _Ours:
    def __init__(self, checks: list[Check], file: Path) -> None:
        self.checks, self.file = checks, file
        self.found: list[dict[str, Any]] = []

    def run(self) -> None:
        import polars as pl

        from trainer.checks.expectations import run_checks

        _, own = run_checks(self.checks, {"rows": pl.scan_parquet(self.file)})
        results = [result for suite in own["rows"] for result in suite["results"]]
        self.found = _in_order(results)


class _Theirs:
    def __init__(self, checks: list[Check], frame: pd.DataFrame) -> None:
        self.checks, self.frame = checks, frame
        self.found: list[dict[str, Any]] = []

    def run(self) -> None:
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx

        from trainer.checks.results import plain

        context = gx.get_context(mode="ephemeral")
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars
            data = context.data_sources.add_pandas("bench").add_dataframe_asset("rows")
            batch = data.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": self.frame})
            registry = gx.expectations.registry
            expectations = [
                registry.get_expectation_impl(one.check)(**one.kwargs, meta={"number": at})
                for at, one in enumerate(self.checks)
            ]
            suite = gx.ExpectationSuite(name="rows", expectations=expectations)
            results = plain(batch.validate(suite, result_format=RESULT_FORMAT).to_json_dict())["results"]
        self.found = _in_order(results)


def _in_order(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(results, key=lambda result: result["expectation_config"]["meta"]["number"])


def _refuse_other_findings(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    for one, other in zip(theirs, ours, strict=True):
        if one["success"] != other["success"] or not _equal(one["result"], other["result"]):
            raise TrainerError(
                f"{one['expectation_config']}: {one['success']} {one['result']} is not "
                f"{other['success']} {other['result']}"
            )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    return bool(one == other)
