"""A table with all the types that a warehouse exports, from the source to a logged model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest

from tests.world import LOGISTIC, QUICK
from trainer.commands.step import run_step
from trainer.errors import DataValidationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.records import IngestResult, TrainResult

ROWS = 200


def warehouse() -> pl.DataFrame:
    random = np.random.default_rng(5)
    signal = random.normal(size=ROWS)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame({
        "plan": pl.Series(random.choice(["a", "b"], ROWS), dtype=pl.Categorical),
        "calls": pl.Series(random.integers(0, 9, ROWS), dtype=pl.UInt64),
        "fee": pl.Series(
            [Decimal(int(value)) / 100 for value in random.integers(100, 999, ROWS)], dtype=pl.Decimal(9, 2)
        ),
        "seen": pl.Series([begin + timedelta(hours=at) for at in range(ROWS)]).dt.convert_time_zone("Europe/Zurich"),
        "signal": signal,
        "tags": [[1, at % 2] for at in range(ROWS)],
        "note": [f"note {'x' * (at % 5)}{at}" for at in range(ROWS)],
        "paid": pl.Series([Decimal(round(value * 100)) / 100 for value in signal * 3 + 5], dtype=pl.Decimal(9, 2)),
    })


def pipeline(file: Path, **columns: Any) -> Pipeline:
    gates = {"rmse": 9, "against_production": {"metric": "rmse"}}
    ridge = {**LOGISTIC, "estimator": "sklearn.linear_model.Ridge", "params": {}, "search": {}}
    return pipeline_of({
        "name": "awkward", "description": "a table of a warehouse", "problem": "regression",
        "source": {"KIND": "parquet", "uri": str(file)}, "columns": {"target": "paid", **columns},
        "features": {"derive": {"hour": "extract(hour from seen)", "long": "LENGTH(note)"}}, "algorithms": {"ridge": ridge},
        "tuning": {**QUICK["tuning"], "metric": "rmse", "enabled": False}, "gates": gates,
        "registry": {"model": "awkward", "experiment": "awkward"},
    })  # fmt: skip


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    warehouse().write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.usefixtures("surroundings")
def test_a_model_is_trained_on_them_and_signed(rows: Path, tmp_path: Path) -> None:
    run, given = RunFolder.open(str(tmp_path / "run")), pipeline(rows, exclude=["tags", "note"], time="seen")
    for step in ("start", "ingest", "validate", "engineer_features"):
        run_step(step, run, given)
    for step in ("tune", "train"):
        run_step(step, run, given, "ridge")
    notes = run.at("ingest").result(IngestResult).notes
    assert [note.split(":")[0] for note in notes] == ["column 'fee'", "column 'seen'", "column 'paid'"]
    model = mlflow.models.get_model_info(run.at("train", "ridge").result(TrainResult).model_uri)
    assert {column.name: str(column.type) for column in model.signature.inputs} == {
        "plan": "DataType.string", "calls": "DataType.long", "fee": "DataType.double", "seen": "DataType.datetime",
        "signal": "DataType.double", "note": "DataType.string",
    }  # fmt: skip


@pytest.mark.usefixtures("surroundings")
def test_a_list_among_the_inputs_is_refused_by_validate(rows: Path, tmp_path: Path) -> None:
    run, given = RunFolder.open(str(tmp_path / "run")), pipeline(rows)
    run_step("start", run, given)
    run_step("ingest", run, given)
    with pytest.raises(
        DataValidationError, match=r"the input 'tags' is List\(Int64\), .*list it under columns\.exclude"
    ):
        run_step("validate", run, given)
