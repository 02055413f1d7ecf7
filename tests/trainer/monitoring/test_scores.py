"""Scored rows of each run, from a table of PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.postgres import Warehouse
from trainer.errors import OutageError, TrainerError
from trainer.monitoring.scores import published_runs
from trainer.pipeline import PostgresOutput
from trainer.scoring.table import publish_rows

OUTPUT = PostgresOutput(connection="warehouse", table="scores")


def publish(tmp_path: Path, run: str, year: int) -> None:
    rows = pl.DataFrame({
        "id": ["a", "b"], "prediction": ["Yes", "No"], "probability": [0.5, 0.25], "model_version": 1, "run": run,
        "scored_at": datetime(year, 1, 4, tzinfo=UTC),
    })  # fmt: skip
    rows.write_parquet(file := tmp_path / f"{run}.parquet")
    publish_rows(OUTPUT, file, run)


def test_rows_of_a_table_by_run(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    since = "2026-01-01T00:00:00+00:00"
    with pytest.raises(TrainerError, match="does not exist") as error, published_runs(OUTPUT, since, bool):
        pass
    assert "scoring.output" in error.value.__notes__[0]
    for run, year in (("r0", 2025), ("r1", 2026), ("r2", 2026)):
        publish(tmp_path, run, year)
    asked: list[str] = []

    def is_wanted(key: str) -> bool:
        asked.append(key)
        return key == "r2"

    with published_runs(OUTPUT, since, is_wanted) as found:
        assert {key: rows.collect()["probability"].to_list() for key, rows in found.items()} == {"r2": [0.5, 0.25]}
    assert asked == ["r1", "r2"]
    away = warehouse.uri().replace(f":{warehouse.uri().rsplit(':', 1)[1].split('/')[0]}/", ":1/")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", away)
    with pytest.raises(OutageError), published_runs(OUTPUT, since, bool):
        pass
