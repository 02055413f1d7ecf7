"""Sources, columns, checks, drift limits and splits as a pipeline may state them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from trainer.pipeline import Check, Columns, CsvSource, Drift, HashSplit, ParquetSource, RandomSplit, SampleSource


def test_columns_that_are_no_inputs() -> None:
    columns = Columns(target="churn", id="customer", time="seen", exclude=["leak"])
    assert columns.not_inputs == {"churn", "customer", "seen", "leak"}
    assert Columns(target="churn").not_inputs == {"churn"}


@pytest.mark.parametrize("positive", ["Yes", 1, True], ids=["text", "number", "boolean"])
def test_a_positive_value_keeps_its_type(positive: object) -> None:
    found = Columns.model_validate({"target": "t", "positive": positive}).positive
    assert (type(found), found) == (type(positive), positive)


def test_kinds() -> None:
    kinds = [
        CsvSource(uri="a").KIND,
        ParquetSource(uri="a").KIND,
        SampleSource().KIND,
        HashSplit().KIND,
        RandomSplit().KIND,
    ]
    assert kinds == ["csv", "parquet", "sample", "hash", "random"]


def test_a_sample_source_is_a_sample_whatever_else_it_says() -> None:
    assert SampleSource().sample == "telco"
    with pytest.raises(ValidationError, match="sample"):
        SampleSource.model_validate({"sample": None})


@pytest.mark.parametrize(
    ("model", "values"),
    [
        pytest.param(CsvSource, {"uri": "a", "separator": ";;"}, id="separator"),
        pytest.param(CsvSource, {"uri": "a", "separator": ""}, id="no-separator"),
        pytest.param(CsvSource, {"uri": "a", "types": {"x": "text"}}, id="type"),
        pytest.param(CsvSource, {"uri": "a", "sample": "titanic"}, id="sample"),
        pytest.param(SampleSource, {"rows": 99}, id="rows"),
        pytest.param(SampleSource, {"drift": -0.1}, id="negative-drift"),
        pytest.param(Check, {"dimension": "validity", "check": "max_value"}, id="check"),
        pytest.param(Check, {"check": "expect_x", "dimension": "beauty"}, id="dimension"),
        pytest.param(Check, {"check": "expect_x", "dimension": "validity", "severity": "fatal"}, id="severity"),
        pytest.param(Check, {"check": "expect_x", "dimension": "validity", "of": "moon"}, id="of"),
        pytest.param(Drift, {"ks": 0}, id="ks"),
        pytest.param(Drift, {"ks": 1.1}, id="ks-above-1"),
        pytest.param(Drift, {"psi": 0}, id="psi"),
        pytest.param(Drift, {"wasserstein": 0}, id="wasserstein"),
        pytest.param(Drift, {"jensen_shannon": 1.1}, id="jensen-shannon"),
        pytest.param(Drift, {"share": 0}, id="share"),
        pytest.param(Drift, {"when_drifted": "ignore"}, id="when-drifted"),
        pytest.param(Drift, {"report_rows": 99}, id="report-rows"),
        pytest.param(HashSplit, {"test": 0}, id="no-test-rows"),
        pytest.param(HashSplit, {"validation": 1}, id="only-validation-rows"),
    ],
)
def test_what_is_refused(model: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=[*values][-1]):
        model.model_validate(values)


def test_a_check_is_critical_and_about_the_rows_unless_it_says_otherwise() -> None:
    check = Check(check="expect_x", dimension="validity")
    assert (check.severity, check.of, check.kwargs) == ("critical", "rows", {})
