"""The step `read_rows`: the rows are read once, with the columns that the version was trained with."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.run.records import ReadRowsResult
from trainer.tables.handover import ROWS

STEP = "read_rows"


def read(scoring: Any) -> tuple[ReadRowsResult, pl.DataFrame]:
    scoring.begin()
    scoring.steps(STEP)
    folder = scoring.at("scoring-2").at(STEP)
    return folder.result(ReadRowsResult), pl.read_parquet(folder.path(ROWS))


def test_a_hundred_more_columns_and_the_target_are_ignored(scoring: Any, caplog: pytest.LogCaptureFixture) -> None:
    more = [pl.lit(number).alias(f"more_{number}") for number in range(100)]
    scoring.write(scoring.rows.with_columns(*more))
    with caplog.at_level("INFO"):
        result, rows = read(scoring)
    assert rows.equals(pl.read_parquet(scoring.run.at(STEP).path(ROWS)))
    assert result.ignored == ["Churn", *(f"more_{number}" for number in range(100))]
    assert (
        "since version 1 takes none of them: 'Churn', 'more_0', 'more_1', 'more_2', 'more_3' and 96 more" in caplog.text
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop("tenure"), r"the column 'tenure' is missing"),  # it has a type
        (
            lambda rows: rows.rename({"gender": "gendre"}),
            r"1 of 20 columns that churn-predictor-sample version 1 needs are missing: 'gender'; did you mean 'gendre'",
        ),
        (lambda rows: rows.clear(), "no rows"),
    ],
    ids=["typed input", "input", "no rows"],
)
def test_rows_that_cannot_be_scored(scoring: Any, change: Any, message: str) -> None:
    scoring.write(change(scoring.rows))
    with pytest.raises(DataValidationError, match=message):
        read(scoring)
