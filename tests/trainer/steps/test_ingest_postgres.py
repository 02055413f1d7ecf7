"""The step `ingest` on a real PostgreSQL that fails in every way: a clear error, and nothing is left of a snapshot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import PASSWORD, Warehouse
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, DataValidationError, OutageError, StepNotDoneError, TrainerError
from trainer.pipeline import Pipeline, parse_pipeline, pipeline_of
from trainer.process.sigterm import ENDED
from trainer.run import RunFolder
from trainer.run.records import IngestResult
from trainer.tables.parquet import read_table

PIPELINE = """
name: leavers
description: who leaves
problem: binary_classification
source: {KIND: postgres, connection: warehouse, table: held, rename: {n: id}, types: {filler: string}, where: id > 2}
columns: {id: id, target: y, positive: "yes"}
algorithms: {logistic: {KIND: sklearn, estimator: sklearn.linear_model.LogisticRegression}}
tuning: {metric: auc_roc}
gates: {against_production: {metric: auc_roc}}
registry: {model: leavers, experiment: leavers}
"""


@pytest.fixture
def folder(surroundings: Any, warehouse: Warehouse) -> RunFolder:
    """A run that is about to read the view `held`."""
    warehouse.fill()
    run = RunFolder.open(f"file://{surroundings.home}/runs/leavers/run-1")
    run_step("start", run, parse_pipeline(PIPELINE, "leavers.yaml"))
    return run


def left_in(folder: RunFolder) -> list[str]:
    return sorted(
        str(file.relative_to(folder.at("ingest").path())) for file in Path(folder.at("ingest").path()).rglob("*")
    )


def with_source(folder: RunFolder, **changes: Any) -> Pipeline:
    document = folder.pipeline().model_dump(mode="json")
    return pipeline_of({**document, "source": {**document["source"], **changes}})


def refused(folder: RunFolder, kind: type[TrainerError], message: str, pipeline: Pipeline | None = None) -> None:
    """Ingest fails as said, with nothing left but the reason, and no password anywhere."""
    with pytest.raises(kind, match=message) as raised:
        run_step("ingest", folder, pipeline or folder.pipeline())
    assert type(raised.value) is kind
    assert left_in(folder) == ["failure.json"]
    with pytest.raises(StepNotDoneError):
        folder.at("ingest").result(IngestResult)
    assert PASSWORD not in str(raised.value) + folder.at("ingest").read_text("failure.json")


def test_the_snapshot_holds_what_was_read(folder: RunFolder, warehouse: Warehouse) -> None:
    run_step("ingest", folder, folder.pipeline())
    result = folder.at("ingest").result(IngestResult)
    assert (result.rows, result.rows_in_source, result.sample) == (99_998, 99_998, False)
    assert result.source == f"postgresql://127.0.0.1:{warehouse.server.port}/warehouse/held"
    assert result.columns == {"id": "Int32", "filler": "String", "stop": "String"}
    assert read_table(folder.at("ingest"), "snapshot.parquet")["id"].to_list() == list(range(3, 100_001))
    assert left_in(folder) == ["result.json", "snapshot.parquet"]
    written = [file for file in Path(folder.root).parent.rglob("*") if file.is_file()]
    assert [file for file in written if PASSWORD.encode() in file.read_bytes()] == []


def terminate(warehouse: Warehouse, process: int) -> None:
    warehouse.execute(f"SELECT pg_terminate_backend({process})")


def kill(warehouse: Warehouse, process: int) -> None:
    warehouse.execute("CHECKPOINT")  # the server comes back with what is on disk
    os.kill(process, signal.SIGKILL)


def stop(warehouse: Warehouse, _process: int) -> None:
    warehouse.server.stop()


def cancel(warehouse: Warehouse, process: int) -> None:
    warehouse.execute(f"SELECT pg_cancel_backend({process})")


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (
            terminate,
            "does not answer, or has stopped to: terminating connection due to administrator command; start or",
        ),
        (kill, "does not answer, or has stopped to: "),
        (stop, "does not answer, or has stopped to: terminating connection due to administrator command; start or"),
        (cancel, "/held: canceling statement due to user request; ask for less"),
    ],
    ids=["ended by an administrator", "killed", "server stopped", "cancelled"],
)
def test_cut_off_in_the_middle(
    cut: Callable[[Warehouse, int], None], message: str, folder: RunFolder, warehouse: Warehouse
) -> None:
    with warehouse.in_the_middle(lambda process: cut(warehouse, process)):
        refused(folder, OutageError, message)
    if not warehouse.server.is_running:
        refused(folder, OutageError, r"PostgreSQL at 127.0.0.1:\d+ does not answer, .*Connection refused")
        warehouse.server.start()
    warehouse.server.wait_until_it_answers()
    run_step("ingest", folder, folder.pipeline())
    assert folder.at("ingest").result(IngestResult).rows == 99_998


def test_a_run_that_is_ended_leaves_no_query_behind(folder: RunFolder, warehouse: Warehouse) -> None:
    command = [sys.executable, "-m", "trainer", "step", "ingest", "--run", folder.uri]
    with warehouse.in_the_middle(lambda _process: step.terminate()):
        step = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert step.wait() == ENDED
    assert left_in(folder) == ["failure.json"]
    assert warehouse.execute("SELECT query FROM pg_stat_activity WHERE query LIKE 'COPY%%'") == []


def test_a_login_that_is_wrong(folder: RunFolder, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", warehouse.uri(password=f"{PASSWORD}-not"))
    refused(folder, ConfigurationError, "does not accept the connection 'warehouse': password authentication failed")
    monkeypatch.delenv("TRAINER_CONNECTION_WAREHOUSE")
    refused(folder, ConfigurationError, "connection 'warehouse': the variable TRAINER_CONNECTION_WAREHOUSE is not set")


DRIFT: list[tuple[str, str, str]] = [
    ("column gone", "ALTER TABLE held DROP COLUMN filler", "the column 'filler' is missing"),
    ("renamed", "ALTER TABLE held RENAME n TO number", "columns to rename are missing: n; allowed: filler, number"),
    ("unknown type", "ALTER TABLE held ALTER n TYPE money USING n::text::money", r"understands .*: 'n' \(money\)"),
    ("table gone", "DROP TABLE held", 'held: relation "held" does not exist'),
    ("emptied", "TRUNCATE held", "/held: the table has no rows"),
    ("none fits", "DELETE FROM held WHERE n > 2", r"0 of 2 rows fit source.where \(id > 2\)"),
]


@pytest.mark.parametrize(("change", "message"), [one[1:] for one in DRIFT], ids=[one[0] for one in DRIFT])
def test_a_table_that_has_changed_since_the_pipeline_was_written(
    change: str, message: str, folder: RunFolder, warehouse: Warehouse
) -> None:
    warehouse.execute("DROP VIEW held")
    warehouse.execute("CREATE TABLE held AS SELECT * FROM many WHERE n <= 1000")
    warehouse.execute(change)
    refused(folder, DataValidationError, message)


def test_a_value_that_a_query_cannot_compute_comes_late(folder: RunFolder) -> None:
    late = with_source(folder, table=None, query="SELECT n, filler, 1 / (n - 99999) AS share FROM many ORDER BY n")
    refused(folder, DataValidationError, r"\?query=\w+: division by zero", late)
    none = with_source(folder, table=None, query="SELECT n, filler FROM many WHERE n > 100000")
    refused(folder, DataValidationError, "the query gives 0 rows", none)
