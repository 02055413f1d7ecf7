"""The step `check_rows`: the version's own checks and its own snapshot decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.registry.versions import SNAPSHOT_TAG
from trainer.run.records import CheckRowsResult, ReadRowsResult
from trainer.tables.handover import DRIFT

STEP = "check_rows"


def checked(scoring: Any, rows: pl.DataFrame | None = None, **section: Any) -> CheckRowsResult:
    if rows is not None:
        scoring.write(rows)
    scoring.begin(**section)
    scoring.steps("read_rows", STEP)
    result: CheckRowsResult = scoring.at("scoring-2").at(STEP).result(CheckRowsResult)
    return result


def test_only_checks_of_inputs_apply(scoring: Any) -> None:
    result = scoring.run.at(STEP).result(CheckRowsResult)
    # Of the target three, of the number of rows one, of the source's age one; 200 rows are fewer than its 1,000.
    assert (result.checks, result.not_applied, result.failed, result.status) == (15, 5, [], "stable")
    read = scoring.run.at("read_rows").result(ReadRowsResult)
    assert {one.column for one in result.columns} == {*read.columns} - {"customer_id"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: pl.concat([rows, rows.head(2), rows.head(1)]),
            r"expected each id in column 'customer_id' once, found 2 ids with more than one row \(3 rows too many\), .*; fix",
        ),
        (
            lambda rows: rows.with_columns(customerID=pl.when(pl.int_range(pl.len()) > 2).then("customerID")),
            "3 of 200 rows have no id in column 'customer_id'",
        ),
        (
            lambda rows: rows.with_columns(tenure=pl.lit(-1)),
            r"expect_column_values_to_be_between\(tenure\): 200 values .* break it(?s:.*)Nothing was scored",
        ),
    ],
    ids=["twice", "none", "critical check"],
)
def test_rows_that_are_refused(scoring: Any, change: Any, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        checked(scoring, change(scoring.rows))


def moved(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of which six columns have one value."""
    names = ("gender", "Partner", "Dependents", "Contract", "PaperlessBilling", "PaymentMethod")
    return rows.with_columns(pl.col(names).first())


def test_drift_is_a_warning_or_fails_the_run_and_is_on_record(scoring: Any, caplog: pytest.LogCaptureFixture) -> None:
    result = checked(scoring, moved(scoring.rows))
    assert (result.status, sum(one.drifted for one in result.columns)) == ("drifted", 6)
    assert "6 of 19 columns drifted since version 1 was trained" in caplog.text
    with pytest.raises(DataValidationError, match=r"contract \(psi .*Nothing was scored"):
        checked(scoring, when_drifted="fail")
    written = json.loads(scoring.at("scoring-2").at(STEP).read_text(DRIFT))
    assert (written["status"], written["reference_version"], len(written["columns"])) == ("drifted", "1", 19)


def test_a_snapshot_that_is_gone_or_another(scoring: Any) -> None:
    version = scoring.client.get_model_version(scoring.model, "1")
    copy = Path(scoring.home / "snapshot.parquet")
    scoring.client.set_model_version_tag(scoring.model, "1", SNAPSHOT_TAG, str(copy))
    with pytest.raises(DataValidationError, match="drift reference of scoring's version 1: .*cannot be read") as error:
        checked(scoring)
    assert error.value.__notes__ == [
        "Rows are scored only after they are compared with the snapshot of churn-predictor-sample version 1."
    ]
    pl.read_parquet(version.tags[SNAPSHOT_TAG]).head(10).write_parquet(copy)
    with pytest.raises(DataValidationError, match="is not the file that it was trained on"):
        scoring.steps(STEP)
