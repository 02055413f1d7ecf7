"""The views of MLflow's database: odd and huge values, names of every kind, and views that are made anew in use."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import psycopg2
import pytest

from include.stack.grafana.dashboards import DASHBOARDS
from tests.postgres import Postgres
from tests.stack.databases import LOGINS, SQL, connected, databases, execute, psql, run_script
from tests.stack.grafana import queries

LARGEST = sys.float_info.max
START = 1_700_000_000_000
NANOSECONDS = START * 1_000_000
PIPELINE = "o'brien \"100%\" \\' -- ü"
Log = Callable[..., None]


@pytest.fixture(scope="module")
def server(postgres: Postgres) -> Iterator[Postgres]:
    """A server with MLflow's tables, and views over them."""
    with databases(postgres) as made:
        address = f"postgresql+psycopg2://mlflow:{LOGINS['mlflow']}@127.0.0.1:{made.port}/mlflow"
        program = str(Path(sys.executable).with_name("mlflow"))
        done = subprocess.run([program, "db", "upgrade", address], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        create_views(made)
        yield made


def create_views(server: Postgres) -> None:
    """Run what create-views.sh runs for MLflow's database."""
    files = [f"--file={SQL / name}.sql" for name in ("drop-views", "schema", "mlflow", "grants")]
    login = {"PGUSER": "mlflow", "PGPASSWORD": LOGINS["mlflow"]}
    done = psql(server, "--dbname", "mlflow", *files, **login)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def log(server: Postgres) -> Iterator[Log]:
    """Creates a pipeline's run with metrics, as MLflow stores them; the database is empty again after the test."""
    with connected(server, "mlflow", "mlflow") as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO experiments VALUES (7, %s, 's3://x', 'active', 0, 0, 'default')", (PIPELINE,))

        def create(
            run: str,
            metrics: dict[str, float],
            stage: str = "active",
            start: int = START,
            at: int = START,
            **tags: str,
        ) -> None:
            cursor.execute(
                "INSERT INTO runs (run_uuid, experiment_id, status, start_time, lifecycle_stage)"
                " VALUES (%s, 7, 'FINISHED', %s, %s)", (run, start, stage),
            )  # fmt: skip
            for key, text in {"trainer.task": "parent", "trainer.pipeline": PIPELINE, **tags}.items():
                cursor.execute("INSERT INTO tags (key, value, run_uuid) VALUES (%s, %s, %s)", (key, text, run))
            for name, value in metrics.items():
                stored = min(max(0 if math.isnan(value) else value, -LARGEST), LARGEST)
                for table in ("metrics", "latest_metrics"):
                    cursor.execute(
                        f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid)"  # noqa: S608
                        " VALUES (%s, %s, %s, 0, %s, %s)", (name, stored, at, math.isnan(value), run),
                    )  # fmt: skip

        yield create
        cursor.execute("TRUNCATE experiments, runs, metrics, latest_metrics, tags CASCADE")


def rows(server: Postgres, statement: str) -> list[tuple[object, ...]]:
    return execute(server, "dashboards", "mlflow", statement)


def test_values_that_json_and_sums_cannot_hold_are_null(server: Postgres, log: Log) -> None:
    log("a", {"gate/x/value": math.nan, "gate/x/limit": math.inf, "gate/x/passed": 0, "test_auc": -math.inf})
    log("b", {"drift/x": math.nan, "drift/y": math.inf, "cost_total_usd": math.nan, "cost_cpu_usd": math.inf})
    assert rows(server, 'SELECT gate, value, "limit", passed FROM gates') == [("x", None, None, False)]
    assert rows(server, "SELECT metric, value FROM test_metrics") == [("auc", None)]
    assert rows(server, 'SELECT "column", ratio FROM drift ORDER BY 1') == [("x", None), ("y", 100.0)]
    assert rows(server, "SELECT cpu_usd, total_usd FROM costs") == [(None, None)]


def test_the_training_history_has_each_value_as_it_was_logged(server: Postgres, log: Log) -> None:
    values = {"a": 1e308, "b": math.inf, "c": -math.inf, "d": -1e-300}
    log("a", {**values, "e": math.nan})
    [last, *found] = rows(server, "SELECT metric_name, metric_value FROM mlflow_metrics ORDER BY metric_name DESC")
    assert str(last) == "('e', nan)"
    assert found == sorted(values.items(), reverse=True)


def test_names_with_slashes_are_gates_of_their_own(server: Postgres, log: Log) -> None:
    log(
        "a",
        {
            "gate/a/value": 1,
            "gate/a/limit": 2,
            "gate/a/b/value": 3,
            "gate/a/b/other": 4,
            "gate/value": 5,
            "gate//value": 6,
        },
    )
    assert rows(server, "SELECT gate, value FROM gates ORDER BY gate") == [("a", 1.0), ("a/b", 3.0)]


def test_an_instant_that_no_calendar_has_hides_nothing_else(server: Postgres, log: Log) -> None:
    log("a", {"gate/x/value": 1})
    log("b", {"gate/x/value": 2}, start=NANOSECONDS, at=NANOSECONDS)
    log("c", {"gate/x/value": 3}, start=-1, at=2**63 - 1)
    when = datetime.fromtimestamp(START / 1000, UTC)
    assert rows(server, "SELECT run_id, started FROM gates ORDER BY 1") == [("a", when), ("b", None), ("c", None)]
    history = "SELECT run_id, metric_value, timestamp FROM mlflow_metrics ORDER BY 1"
    assert rows(server, history) == [("a", 1.0, when), ("b", 2.0, None), ("c", 3.0, None)]
    assert rows(server, "SELECT run_id FROM gates WHERE started > '2020-01-01'") == [("a",)]


def test_a_look_has_its_own_metrics_and_is_no_run_of_the_training(server: Postgres, log: Log) -> None:
    tags = {"trainer.task": "monitoring", "monitored_version": "3"}
    log("a", {"labelled_auc_roc": 0.8, "drift/x": math.inf, "version_2/labelled_auc_roc": 0.7}, **tags)
    log("b", {"labelled_auc_roc": 0.9})
    found = rows(server, "SELECT pipeline, run_id, version, metric, value FROM looks ORDER BY metric")
    assert found == [(PIPELINE, "a", "3", "drift/x", 100.0), (PIPELINE, "a", "3", "labelled_auc_roc", 0.8)]
    assert rows(server, "SELECT run_id FROM pipeline_runs") == [("b",)]


def test_what_was_deleted_is_not_shown(server: Postgres, log: Log) -> None:
    log("a", {"gate/x/value": 1}, stage="deleted")
    for view in ("pipeline_runs", "gates", "mlflow_metrics"):
        assert rows(server, f"SELECT * FROM {view}") == []  # noqa: S608


def test_every_panel_takes_odd_names_and_huge_values(server: Postgres, log: Log) -> None:
    metrics = {
        "gate/a'b/value": 1e308,
        "drift/x": 1e308,
        "test_x": 1e308,
        "cost_total_usd": 1e308,
        "cost_cpu_usd": 1e308,
    }
    for run in "abc":
        log(run, metrics)
    log("d", metrics, start=NANOSECONDS, at=NANOSECONDS)
    log("look", {"labelled_auc_roc": 1e308, "drift/x": 1e308}, **{"trainer.task": "monitoring"})
    for name in DASHBOARDS:
        for asked in queries(name):
            if asked.database == "mlflow" and asked.title != "Models in use":
                assert rows(server, asked.statement({"pipeline": PIPELINE, "gate": "a'b"})), asked.title


def test_a_column_can_be_changed_once_the_views_are_dropped(server: Postgres) -> None:
    change = "ALTER TABLE tags ALTER COLUMN value TYPE varchar(9000)"
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="used by a view"):
        execute(server, "mlflow", "mlflow", change)
    for _ in range(2):  # as a second start does
        done = run_script(server, "drop-views.sh")
        assert (done.returncode, done.stderr) == (0, "")
    execute(server, "mlflow", "mlflow", change)
    create_views(server)


def test_views_are_made_anew_while_they_are_read(server: Postgres, log: Log) -> None:
    """Queries that lock the views in any order wait, or do not find them for a moment; nothing ends in a deadlock."""
    log("a", {"gate/x/value": 1, "cost_total_usd": 1})
    orders = ("gates JOIN costs USING (run_id)", "costs JOIN gates USING (run_id)", "pipeline_runs")
    stopped = Event()

    def read(views: str) -> set[str]:
        errors: set[str] = set()
        with connected(server, "dashboards", "mlflow") as connection, connection.cursor() as cursor:
            while not stopped.is_set():
                try:
                    cursor.execute(f"SELECT count(*) FROM {views}")  # noqa: S608
                except psycopg2.Error as error:
                    errors.add(type(error).__name__)
        return errors

    with ThreadPoolExecutor(len(orders)) as pool:
        readers = [pool.submit(read, views) for views in orders]
        try:
            for _ in range(8):
                create_views(server)
        finally:
            stopped.set()
        errors = set().union(*(reader.result() for reader in readers))
    assert errors <= {"UndefinedTable", "InvalidSchemaName"}


def test_a_forgotten_transaction_of_dashboards_is_ended(server: Postgres) -> None:
    [(seconds,)] = rows(server, "SELECT current_setting('idle_in_transaction_session_timeout')")
    assert seconds == "30s"
