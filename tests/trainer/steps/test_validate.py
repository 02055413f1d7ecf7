"""The step that checks the snapshot."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from trainer.errors import DataValidationError, StepNotDoneError
from trainer.pipeline import Pipeline, load_pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.records import IngestResult
from trainer.steps import validate
from trainer.tables.handover import SNAPSHOT
from trainer.tables.parquet import write_table

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[..., RunFolder]

CHURN = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "churn.yaml")
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"


def customers() -> pl.DataFrame:
    return pl.DataFrame({
        "customer_id": [f"c{number}" for number in range(300)],
        "tenure": [number % 70 for number in range(300)],
        "plan": ["a", "b", "c"] * 100,
        "churn": ["Yes" if number * 7 % 11 < 4 else "No" for number in range(300)],
    })


def pipeline(*checks: dict[str, Any], **changes: Any) -> Pipeline:
    """Churn with other checks, and other fields by dotted name (dots as double underscores)."""
    document = CHURN.model_dump(mode="json")
    document["validation"] = [{"dimension": "validity", **check} for check in checks]
    for name, value in changes.items():
        part, _, field = name.partition("__")
        document[part] = {**document[part], field: value} if field else value
    return pipeline_of(document)


def tenure_at_most(months: int, severity: str) -> dict[str, Any]:
    return {"check": BETWEEN, "severity": severity, "kwargs": {"column": "tenure", "max_value": months}}


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """A run folder whose ingest step is done."""

    def prepared(rows: pl.DataFrame, **facts: Any) -> RunFolder:
        run = RunFolder.open(str(tmp_path / "run"))
        digest = write_table(run.at("ingest"), SNAPSHOT, rows)
        given = {
            "snapshot": run.at("ingest").uri_of(SNAPSHOT), "source": "customers.csv", "digest": digest,
            "rows": rows.height, "rows_in_source": rows.height,
            "columns": {name: str(kind) for name, kind in rows.schema.items()}, "sample": False, "age_days": 3.0,
        }  # fmt: skip
        run.at("ingest").finish(IngestResult.model_validate({**given, **facts}))
        return run.at("validate")

    return prepared


def files(run: RunFolder) -> dict[str, Any]:
    return {"json": json.loads(run.read_text("validation.json")), "html": run.read_text("validation.html")}


def test_checks_that_pass(prepare: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    run = prepare(customers())
    result = validate.run(pipeline(tenure_at_most(120, "critical"), tenure_at_most(70, "warning")), run)
    assert (result.passed, result.checks, result.failed) == (True, 2, [])
    assert result.report == run.uri_of("validation.html")
    written = files(run)
    assert [check["passed"] for check in written["json"]["checks"]] == [True, True]
    assert written["json"]["great_expectations"]["rows"][0]["statistics"]["successful_expectations"] == 2
    assert "<strong>Passed</strong>" in written["html"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_critical_check_stops_the_run_after_the_page_is_written(prepare: Prepare) -> None:
    run = prepare(customers())
    checks = [tenure_at_most(65, "critical"), tenure_at_most(67, "warning"), tenure_at_most(120, "critical")]
    with pytest.raises(DataValidationError) as refused:
        validate.run(pipeline(*checks), run)
    message = str(refused.value).splitlines()
    assert message[0] == "customers.csv: 1 of 3 checks failed and are critical"
    assert message[1] == (
        f"- {BETWEEN}(tenure): 16 values (5.33 %) break it; such as 66, 67, 68, 69; expected max_value 65"
    )
    assert message[2].endswith(run.uri_of("validation.html"))
    assert "Data refused" in files(run)["html"]
    assert [check["passed"] for check in files(run)["json"]["checks"]] == [False, False, True]


def test_every_critical_check_that_failed_has_a_line(prepare: Prepare) -> None:
    checks = [tenure_at_most(months, "critical") for months in (1, 2, 3)]
    with pytest.raises(DataValidationError, match=r"3 of 3(.*\n- ){3}"):
        validate.run(pipeline(*checks), prepare(customers()))


def test_a_warning_is_logged_in_one_line_and_stops_nothing(prepare: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    result = validate.run(pipeline(tenure_at_most(68, "warning")), prepare(customers()))
    assert result.passed
    assert [(check.column, check.unexpected) for check in result.failed] == [("tenure", 4)]
    assert caplog.messages == [
        f"customers.csv: {BETWEEN}(tenure): 4 values (1.33 %) break it; such as 69; expected max_value 68"
    ]


def test_a_column_that_is_not_there_stops_the_run(prepare: Prepare) -> None:
    absent = {"check": NOT_NULL, "severity": "warning", "kwargs": {"column": "nothing"}}
    with pytest.raises(DataValidationError, match=r"column 'nothing' is not in the data; columns: customer_id, tenure"):
        validate.run(pipeline(absent), prepare(customers()))


@pytest.mark.parametrize(
    ("column", "facts", "passes"),
    [
        ("rows", {}, False),
        ("age_days", {}, True),
        ("age_days", {"age_days": 11.0}, False),
        ("columns", {}, True),
        ("newest_row_age_days", {"newest_row_age_days": 2.0}, True),
        ("newest_row_age_days", {"newest_row_age_days": 20.0}, False),
        ("newest_row_age_days", {}, False),
    ],
    ids=["rows", "age", "old", "columns", "fresh", "stale", "not_known"],
)
def test_facts_about_the_source(prepare: Prepare, column: str, facts: dict[str, Any], passes: bool) -> None:
    fact = {"check": BETWEEN, "of": "source", "kwargs": {"column": column, "max_value": 10}}
    run = prepare(customers(), **facts)
    if passes:
        assert validate.run(pipeline(fact), run).passed
    else:
        with pytest.raises(DataValidationError, match=column):
            validate.run(pipeline(fact), run)


def test_no_checks_do_not_look_like_a_pass(prepare: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    run = prepare(customers())
    result = validate.run(pipeline(), run)
    assert (result.checks, result.failed) == (0, [])
    assert caplog.messages[0].startswith("no checks: pipeline churn")
    assert "Nothing was checked" in files(run)["html"]
    assert files(run)["json"] == {"checks": [], "great_expectations": {}}


UNUSABLE = [
    (
        "no_target",
        {"columns__target": "churned"},
        {},
        "columns.target: there is no column 'churned'; did you mean 'churn'",
    ),
    ("no_id", {"columns__id": "customer"}, {}, "columns.id: there is no column 'customer'; did you mean 'customer_id'"),
    (
        "target_missing",
        {},
        {"churn": [None, "Yes", "No"] * 100},
        r"'churn' is missing in 100 of 300 rows \(33.33%\), such as row 1, row 4, row 7, row 10, row 13; ",
    ),
    ("one_class", {}, {"churn": ["Yes"] * 300}, "exactly two values in a binary classification, and has 1: 'Yes'"),
    ("three_classes", {}, {"churn": ["Yes", "No", "?"] * 100}, "exactly two values .* has 3: '\\?', 'No', 'Yes'"),
    (
        "other_positive",
        {"columns__positive": "yes"},
        {},
        "columns.positive: 'yes' is none of the values of 'churn'; did you",
    ),
]


@pytest.mark.parametrize(
    ("changes", "data", "message"), [case[1:] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE]
)
def test_a_target_or_an_id_that_cannot_be_used(
    prepare: Prepare, changes: dict[str, Any], data: dict[str, list[Any]], message: str
) -> None:
    rows = customers().with_columns(pl.Series(name, values) for name, values in data.items())
    with pytest.raises(DataValidationError, match=f"^customers.csv: .*{message}"):
        validate.run(pipeline(**changes), prepare(rows))


def test_what_cannot_be_used_is_told_at_once(prepare: Prepare) -> None:
    rows = customers().with_columns(churn=pl.lit(None, dtype=pl.String))
    with pytest.raises(DataValidationError, match=r"columns.id.*\n.*missing in 300 of 300.*\n.*has 0"):
        validate.run(pipeline(columns__id="nothing"), prepare(rows))


@pytest.mark.parametrize(
    ("target", "positive"),
    [
        ([1, 0, 0], "1"), ([1.0, 0.0, 0.0], 1), ([True, False, False], "true"), (["true", "false", "false"], True),
        ([" yes", "no ", "no "], "yes"),
    ],
    ids=["number_as_text", "float", "flag", "flag_as_text", "blanks"],
)  # fmt: skip
def test_the_positive_value_is_compared_as_text(prepare: Prepare, target: list[Any], positive: Any) -> None:
    rows = customers().with_columns(churn=pl.Series(target * 100))
    assert validate.run(pipeline(columns__positive=positive), prepare(rows)).passed


def test_classes_that_read_the_same_are_refused(prepare: Prepare) -> None:
    rows = customers().with_columns(churn=pl.Series(["Yes", "Yes ", "No"] * 100))
    with pytest.raises(
        DataValidationError, match="'churn' has classes that read the same: 'Yes.*; write each in one way"
    ):
        validate.run(pipeline(), prepare(rows))


@pytest.mark.parametrize(
    ("target", "passes"), [([1.5, 2.5, 3.5], True), ([1.5, float("nan"), 3.5], False)], ids=["full", "nan"]
)
def test_a_regression_needs_a_full_target(prepare: Prepare, target: list[float], passes: bool) -> None:
    rows = customers().with_columns(churn=pl.Series(target * 100))
    houses = pipeline().model_copy(update={"problem": "regression"})
    if passes:
        assert validate.run(houses, prepare(rows)).passed
    else:
        with pytest.raises(DataValidationError, match="'churn' is missing in 100 of 300 rows"):
            validate.run(houses, prepare(rows))


@pytest.mark.parametrize(("plans", "passes"), [(["a", "b", "c"], True), (["a"] * 3, False)], ids=["three", "one"])
def test_many_classes_need_at_least_two(prepare: Prepare, plans: list[str], passes: bool) -> None:
    classes = pipeline().model_copy(update={"problem": "multiclass_classification"})
    run = prepare(customers().with_columns(churn=pl.Series(plans * 100)))
    if passes:
        assert validate.run(classes, run).passed
    else:
        with pytest.raises(DataValidationError, match="needs at least two values to tell apart, and has 1: 'a'"):
            validate.run(classes, run)


def test_ingest_comes_first(tmp_path: Path) -> None:
    with pytest.raises(StepNotDoneError, match="ingest"):
        validate.run(pipeline(), RunFolder.open(str(tmp_path)).at("validate"))
