"""Publishing rows in PostgreSQL: one transaction for a run's rows, whatever happens in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.postgres import Warehouse
from trainer.errors import ConfigurationError, OutageError
from trainer.pipeline import PostgresOutput
from trainer.scoring import table
from trainer.scoring.table import publish_rows

OUTPUT = PostgresOutput(connection="warehouse", table="scores")


def scored(tmp_path: Path, run: str, probability: float = 0.5, **more: Any) -> Path:
    """A file of two scored rows."""
    rows = pl.DataFrame({
        "id": ["a", 'odd"; --'], "prediction": ["Yes", "No"], "probability": [probability, 0.25], "model_version": 1,
        "run": run, "scored_at": datetime(2026, 1, 4, tzinfo=UTC), **more,
    })  # fmt: skip
    rows.write_parquet(tmp_path / f"{run}.parquet")
    return tmp_path / f"{run}.parquet"


def test_each_run_has_its_rows_once(warehouse: Warehouse, tmp_path: Path) -> None:
    published = [
        publish_rows(OUTPUT, scored(tmp_path, run, p), run) for run, p in (("r1", 0.5), ("r2", 0.6), ("r1", 0.75))
    ]
    assert [(one.rows, one.replaced) for one in published] == [(2, 0), (2, 0), (2, 2)]
    assert published[0].address.startswith("postgresql://127.0.0.1:")
    found = warehouse.execute("SELECT run, id, probability FROM scores ORDER BY run, id")
    assert [tuple(row) for row in found] == [
        ("r1", "a", 0.75), ("r1", 'odd"; --', 0.25), ("r2", "a", 0.6), ("r2", 'odd"; --', 0.25),
    ]  # fmt: skip


def test_a_try_that_ends_before_its_commit_leaves_what_was_there(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(OUTPUT, scored(tmp_path, "r1"), "r1")
    delete = table._delete_own

    def delete_and_lose_the_server(cursor: Any, name: str, key: str) -> int:
        assert delete(cursor, name, key) == 2
        warehouse.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trainer'")
        return 2

    monkeypatch.setattr(table, "_delete_own", delete_and_lose_the_server)
    with pytest.raises(OutageError):
        publish_rows(OUTPUT, scored(tmp_path, "r1", 0.9), "r1")
    monkeypatch.undo()
    assert [row[0] for row in warehouse.execute("SELECT probability FROM scores ORDER BY id")] == [0.5, 0.25]


def test_two_tries_of_a_run_at_once_publish_its_rows_once(warehouse: Warehouse, tmp_path: Path) -> None:
    file = scored(tmp_path, "r1")
    publish_rows(OUTPUT, scored(tmp_path, "r0"), "r0")
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: publish_rows(OUTPUT, file, "r1").replaced, range(4)))
    assert sorted(done, key=str) == [0, 2, 2, 2]
    assert warehouse.execute("SELECT count(*) FROM scores WHERE run = 'r1'")[0][0] == 2


def test_a_table_that_is_another(warehouse: Warehouse, tmp_path: Path) -> None:
    publish_rows(OUTPUT, scored(tmp_path, "r1"), "r1")
    with pytest.raises(ConfigurationError, match=r"the table lacks 'extra'.*ALTER TABLE scores.*Nothing was published"):
        publish_rows(OUTPUT, scored(tmp_path, "r2", extra="x"), "r2")
    missing = OUTPUT.model_copy(update={"table": "absent.scores"})
    with pytest.raises(ConfigurationError, match=r'schema "absent" does not exist; nothing was published'):
        publish_rows(missing, scored(tmp_path, "r2"), "r2")


def test_a_server_that_is_read_only(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_rows(OUTPUT, scored(tmp_path, "r1"), "r1")
    warehouse.execute("CREATE ROLE scores_reader LOGIN PASSWORD 'only-reads'")
    warehouse.execute("GRANT SELECT ON scores TO scores_reader")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", warehouse.uri(user="scores_reader", password="only-reads"))
    with pytest.raises(
        ConfigurationError, match=r"permission denied for .*; nothing was published.*'warehouse'"
    ) as error:
        publish_rows(OUTPUT, scored(tmp_path, "r1"), "r1")
    assert "only-reads" not in str(error.value)
