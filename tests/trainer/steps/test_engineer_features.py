"""The step that splits rows and computes features."""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError, StepNotDoneError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.records import Failure, FeaturesResult, IngestResult
from trainer.steps import engineer_features
from trainer.tables.parquet import read_table, write_table
from trainer.tables.row_keys import fingerprint

ROWS = 2000


def _pipeline(**changes: Any) -> Pipeline:
    document = {
        "name": "churn",
        "description": "Who leaves",
        "problem": "binary_classification",
        "source": {"KIND": "csv", "uri": "rows.csv"},
        "columns": {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak"]},
        "features": {
            "fit": {"median_charges": "median(charges)"},
            "derive": {"rate": "charges / tenure", "dear": "charges > median_charges"},
        },
        "algorithms": {"forest": {"KIND": "sklearn", "estimator": "sklearn.ensemble.RandomForestClassifier"}},
        "tuning": {"metric": "auc_roc"},
        "gates": {"against_production": {"metric": "auc_roc"}},
        "registry": {"model": "churn", "experiment": "churn"},
    }
    return pipeline_of({**document, **changes})


def _rows() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    return pl.DataFrame({
        "id": [f"c{row}" for row in range(ROWS)],
        "tenure": rng.integers(0, 20, ROWS),
        "charges": rng.normal(60, 20, ROWS).round(2),
        "contract": rng.choice(["month", "year"], ROWS).tolist(),
        "leak": rng.random(ROWS),
        "churn": rng.choice(["No", "Yes"], ROWS, p=[0.7, 0.3]).tolist(),
    })


def _folder(root: Path, rows: pl.DataFrame) -> RunFolder:
    run = RunFolder.open(f"file://{root}/churn/key")
    ingest = run.at("ingest")
    digest = write_table(ingest, "snapshot.parquet", rows)
    columns = {name: str(kind) for name, kind in rows.schema.items()}
    ingest.finish(
        IngestResult(
            snapshot=ingest.uri_of("snapshot.parquet"),
            source="rows.csv",
            digest=digest,
            rows=rows.height,
            rows_in_source=rows.height,
            columns=columns,
            sample=False,
            age_days=0,
        )
    )
    return run.at("engineer_features")


def _run(root: Path, rows: pl.DataFrame | None = None, **changes: Any) -> tuple[FeaturesResult, RunFolder]:
    folder = _folder(root, _rows() if rows is None else rows)
    return engineer_features.run(_pipeline(**changes), folder), folder


def test_writes_one_table_in_the_order_of_the_snapshot(tmp_path: Path) -> None:
    result, folder = _run(tmp_path)
    table = read_table(folder, "features.parquet")
    assert table.columns == ["__key__", "__part__", "tenure", "charges", "contract", "rate", "dear", "churn"]
    assert table.select("tenure", "charges", "churn").equals(_rows().select("tenure", "charges", "churn"))
    assert table.schema["dear"] == pl.Boolean
    assert read_table(folder, "keys.parquet").equals(table.select("__key__", "__part__"))
    assert (result.inputs, result.derived) == (["tenure", "charges", "contract"], ["rate", "dear"])
    assert (result.table, result.keys) == (folder.uri_of("features.parquet"), folder.uri_of("keys.parquet"))


def test_the_result_describes_the_parts(tmp_path: Path) -> None:
    result, folder = _run(tmp_path)
    table = read_table(folder, "features.parquet")
    for part in ("train", "validation", "test"):
        inside = table.filter(pl.col("__part__") == part)
        assert result.rows[part] == inside.height
        assert result.fingerprints[part] == fingerprint(inside["__key__"])
        assert result.proportions[part]["Yes"] == pytest.approx((inside["churn"] == "Yes").mean())
        assert sum(result.proportions[part].values()) == pytest.approx(1)
    assert sum(result.rows.values()) == ROWS


def test_constants_come_from_the_training_rows_alone(tmp_path: Path) -> None:
    result, folder = _run(tmp_path)
    table = read_table(folder, "features.parquet")
    median = table.filter(pl.col("__part__") == "train")["charges"].median()
    assert result.constants == {"median_charges": median}
    assert json.loads(folder.read_text("constants.json")) == {"median_charges": median}
    assert table["dear"].equals((table["charges"] > median).alias("dear"))

    elsewhere = _rows().with_columns(charges=pl.when(table["__part__"] == "train").then("charges").otherwise(1e6))
    again, _ = _run(tmp_path / "again", elsewhere)
    assert again.constants == result.constants


def test_divisions_by_zero_are_counted_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result, folder = _run(tmp_path)
    zeros = int((_rows()["tenure"] == 0).sum())
    assert result.became_missing == {"rate": zeros, "dear": 0}
    assert read_table(folder, "features.parquet")["rate"].null_count() == zeros
    assert f"rate: {zeros} values are missing because of a division by zero" in caplog.text


def test_equal_rows_without_an_id_share_a_part(tmp_path: Path) -> None:
    rows = _rows().drop("id")
    columns = {"target": "churn", "positive": "Yes", "exclude": ["leak"]}
    result, folder = _run(tmp_path, pl.concat([rows, rows]), columns=columns, split={"KIND": "random"})
    table = read_table(folder, "features.parquet")
    assert result.duplicates_moved > 0
    assert table.group_by("__key__").agg(pl.col("__part__").n_unique())["__part__"].max() == 1


def test_a_regression_has_no_classes(tmp_path: Path) -> None:
    result, _ = _run(
        tmp_path,
        problem="regression",
        columns={"id": "id", "target": "leak"},
        tuning={"metric": "rmse"},
        gates={"against_production": {"metric": "rmse"}},
    )
    assert result.proportions == {}


def test_logs_a_line_per_part_and_warns_of_uneven_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _, folder = _run(tmp_path)
    assert [part for part in ("train: ", "validation: ", "test: ") if part in caplog.text] != []
    assert "are ids related to classes" not in caplog.text
    parts = read_table(folder, "keys.parquet")["__part__"]
    related = _rows().with_columns(
        churn=pl.when((parts == "test") & (pl.col("tenure") > 1)).then(pl.lit("Yes")).otherwise("churn")
    )
    _run(tmp_path / "related", related)
    assert "test: class Yes has" in caplog.text


def test_uneven_classes_under_a_split_by_groups_are_said_of_groups(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Forty groups of one class each, so that whole parts differ in their classes."""
    ids = pl.int_range(pl.len())
    rows = _rows().with_columns(
        house=ids % 40, churn=pl.when(ids % 40 < 20).then(pl.lit("Yes")).otherwise(pl.lit("No"))
    )
    _run(tmp_path, rows, split={"KIND": "group", "column": "house"})
    assert "do groups differ in their classes, or are some of them very large?" in caplog.text
    assert "ids" not in caplog.text


BAD = {
    "repeated id": (pl.col("id").replace("c1", "c0").alias("id"), "1 ids of 'id' stand in more than one row: 'c0'"),
    "missing id": (pl.col("id").replace("c1", None).alias("id"), "'id' is missing in 1 of 2000"),
    "missing target": (pl.col("churn").replace("Yes", None).alias("churn"), "'churn' is missing in"),
    "one class": (pl.lit("No").alias("churn"), "needs exactly two values .*, and has 1: 'No'"),
    "three classes": (pl.when(pl.col("tenure") < 9).then(pl.lit("?")).otherwise("churn").alias("churn"), "and has 3: "),
    "no positive": (
        pl.col("churn").replace("Yes", "yes").alias("churn"),
        "columns.positive: 'Yes' is none of the values",
    ),
    "constant": (pl.lit(None, dtype=pl.Float64).alias("charges"), r"features\.fit\.median_charges.*is missing"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_refuses_data(change: pl.Expr, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=message):
        _run(tmp_path, _rows().with_columns(change))


def test_refuses_a_table_without_the_target(tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=r"columns\.target: no column 'churn'"):
        _run(tmp_path, _rows().drop("churn"))


@pytest.mark.parametrize(("column", "role"), [("churn", "the target"), ("id", "the id")])
def test_expressions_cannot_read_the_target_or_the_id(column: str, role: str, tmp_path: Path) -> None:
    for features in ({"derive": {"peek": f"{column} IS NULL"}}, {"fit": {"peek": f"count({column})"}}):
        with pytest.raises(ConfigurationError, match=f"'{column}' cannot be used: it is {role}"):
            _run(tmp_path, features=features)


def test_expressions_may_read_what_is_excluded_which_stays_no_input(tmp_path: Path) -> None:
    rows = _rows().with_columns(seen=pl.lit(date(2026, 3, 1)), note=pl.col("id") + " called")
    columns = {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak", "note"], "time": "seen"}
    features = {"fit": {"most": "max(leak)"}, "derive": {"month": "extract(month from seen)", "long": "LENGTH(note)"}}
    result, run = _run(tmp_path, rows, columns=columns, features=features)
    assert result.inputs == ["tenure", "charges", "contract"]
    assert result.for_features == ["leak", "seen", "note"]
    assert {*result.for_features, "month", "long"} <= {*read_table(run, "features.parquet").columns}


def test_needs_ingest(tmp_path: Path) -> None:
    with pytest.raises(StepNotDoneError, match="ingest"):
        engineer_features.run(_pipeline(), RunFolder.open(f"file://{tmp_path}/key").at("engineer_features"))


AGAINST = {"metric": "auc_roc"}
MORE_TENURE = {"name": "tenure", "set": {"tenure": "tenure + 1"}, "expect": "does_not_rise"}


def _sliced(**slice_values: Any) -> dict[str, Any]:
    return {"against_production": AGAINST, "slices": [slice_values]}


def test_a_listed_segment_that_is_in_no_row_ends_the_run_before_training(tmp_path: Path) -> None:
    gates = _sliced(column="contract", segments=["month", "yeer"])
    with pytest.raises(
        DataValidationError,
        match=r"gates.slices \(contract\): no row of the table is in the segment 'yeer'; did you mean 'year'",
    ):
        _run(tmp_path, gates=gates)


@pytest.mark.parametrize("column", ["contract", "dear", "tenure"], ids=["input", "derived", "whole-numbers"])
def test_inputs_and_derived_columns_make_segments(
    column: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path, gates=_sliced(column=column, min_rows=1))
    assert "segment" not in caplog.text


def test_a_segment_with_too_few_test_rows_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _run(tmp_path, gates=_sliced(column="contract", segments=["month"], min_rows=ROWS))
    assert f"{ROWS} are needed to judge it: the model will be refused" in caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"set": {"tenur": "1"}}, r"behaviour \(tenure\)\.set\.tenur: the table has no column 'tenur'; did you mean"),
        ({"set": {"tenure": "contract"}}, r"gives String, the column 'tenure' is Int64"),
        ({"where": "churn = 'Yes'"}, r"behaviour \(tenure\)\.where: 'churn' cannot be used: it is the target"),
        ({"set": {"tenure": "tenure"}}, r"`set` changes none of the \d+ rows that it applies to"),
    ],
    ids=["unknown", "type", "target", "changes-nothing"],
)
def test_an_expectation_that_could_not_be_judged_ends_the_run_before_training(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _run(tmp_path, behaviour=[{**MORE_TENURE, **values}])


def test_an_expectation_that_fits_no_validation_row_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path, behaviour=[{**MORE_TENURE, "where": "tenure > 90"}, {**MORE_TENURE, "name": "other"}])
    rows = int(_rows().height * 0.15)
    [record] = [record for record in caplog.records if record.getMessage().startswith("behaviour")]
    assert record.getMessage().startswith("behaviour (tenure): none of the ")
    assert abs(int(record.getMessage().split()[5]) - rows) < rows / 4


def test_a_split_by_time_keeps_the_time_beside_the_rows_and_out_of_the_inputs(tmp_path: Path) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number % 50) for number in range(ROWS)]
    columns = {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak"], "time": "day"}
    split = {"KIND": "time", "validation": 0.2, "test": 0.2}
    result, folder = _run(tmp_path, _rows().with_columns(day=pl.Series(days)), columns=columns, split=split)
    table = read_table(folder, "features.parquet")
    assert table["__time__"].to_list() == days
    assert "day" not in result.inputs
    ends: dict[Any, tuple[Any, Any]] = {
        part: (rows["__time__"].min(), rows["__time__"].max()) for (part,), rows in table.group_by("__part__")
    }
    assert ends["train"][1] < ends["validation"][0] <= ends["validation"][1] < ends["test"][0]


def test_uneven_classes_under_a_split_by_time_are_not_about_ids(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(ROWS)]
    churn = ["No" if number % (9 if number < 0.7 * ROWS else 2) else "Yes" for number in range(ROWS)]
    columns = {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak"], "time": "day"}
    split = {"KIND": "time", "validation": 0.2, "test": 0.2}
    rows = _rows().with_columns(day=pl.Series(days), churn=pl.Series(churn))
    _run(tmp_path, rows, columns=columns, split=split)
    assert "do the classes change over time" in caplog.text
    assert "ids related" not in caplog.text


def test_a_split_by_groups_keeps_them_whole_and_beside_the_rows(tmp_path: Path) -> None:
    rows = _rows().with_columns(team=pl.Series(np.arange(ROWS) // 10))
    columns = {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak", "team"]}
    result, run = _run(tmp_path, rows, columns=columns, split={"KIND": "group", "column": "team"})
    table = read_table(run, "features.parquet")
    assert table["__group__"].equals(rows["team"].cast(pl.String), check_names=False)
    assert "team" not in result.inputs
    assert table.group_by("__group__").agg(pl.col("__part__").n_unique())["__part__"].to_list() == [1] * 200
    with pytest.raises(DataValidationError, match=r"split.column: the rows have no column 'teem'; did you mean 'team'"):
        _run(tmp_path / "wrong", rows, columns=columns, split={"KIND": "group", "column": "teem"})


def test_a_split_by_time_names_a_column_that_is_not_there(tmp_path: Path) -> None:
    columns = {"id": "id", "target": "churn", "positive": "Yes", "exclude": ["leak"], "time": "dya"}
    with pytest.raises(DataValidationError, match=r"columns\.time: no column 'dya'"):
        _run(tmp_path, columns=columns, split={"KIND": "time"})


@pytest.mark.parametrize("step", ["validate", "detect_drift"])
def test_data_that_was_refused_gives_no_features(step: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, _rows())
    failure = Failure(step=step, error="DataValidationError", message="1 of 4 checks failed", exit_code=3)
    folder.at(step).fail(failure)
    with pytest.raises(StepNotDoneError, match=rf"step '{step}' failed \(DataValidationError: 1 of 4 checks failed\)"):
        engineer_features.run(_pipeline(), folder)
