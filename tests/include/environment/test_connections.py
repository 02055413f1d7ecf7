"""A source's connection: Airflow's, on its way to the steps that need it; and a pipeline on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException

from include.environment.connections import check_connection, connection_of, login_of
from include.environment.kubernetes import Kubernetes
from include.environment.settings import inherited_environment, read_settings
from include.laptop.check import mistakes
from include.operators.base import StepOperator
from include.operators.local import LocalStepOperator
from tests.conftest import changed
from tests.postgres import PASSWORD, USER, Warehouse
from trainer.connections import read_connection
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.sources.samples.telco import generate_telco

CONTEXT: Any = {"run_id": "manual__1"}
SOURCE = {"KIND": "postgres", "connection": "warehouse", "table": "customers"}
SECRETS = {"TRAINER_CONNECTION_WAREHOUSE": {"name": "trainer-warehouse", "key": "uri"}}


@pytest.fixture
def on_postgres(small_churn: Pipeline) -> Pipeline:
    """The small churn pipeline on a table."""
    shared = {name: getattr(small_churn.source, name) for name in ("rename", "types", "missing")}
    return changed(small_churn, source={**SOURCE, **shared})


@pytest.fixture
def pipelines(tmp_path: Path, on_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with that pipeline alone."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "churn.yaml").write_text(on_postgres.to_yaml(), encoding="utf-8")
    monkeypatch.setenv("PIPELINES_FOLDER", str(folder))
    return folder


def only_dag(project: Path) -> Any:
    bag = DagBag(project / "dags" / "training.py")
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


def test_steps_that_name_or_read_the_source_need_its_connection(on_postgres: Pipeline, churn: Pipeline) -> None:
    assert connection_of(on_postgres, "ingest") == connection_of(on_postgres, "start") == "warehouse"
    assert connection_of(on_postgres, "train") is None
    assert connection_of(churn, "ingest") is None


def test_airflows_connection_is_what_a_step_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"conn_type": "postgres", "host": "db", "login": "anna", "password": "p@ss/word", "schema": "sales"}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({**document, "extra": {"sslmode": "require"}}))
    for name, value in login_of("warehouse").items():
        monkeypatch.setenv(name, value)
    found = read_connection("warehouse")
    assert (found.host, found.database, found.user, found.password) == ("db", "sales", "anna", "p@ss/word")
    assert found.options == {"sslmode": "require"}
    assert login_of(None) == {}


def test_no_step_inherits_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", "postgres://anna:planted@db/sales")
    assert "planted" not in str(inherited_environment())


@pytest.mark.parametrize("environment", ["development", "production"])
def test_in_a_dag_two_tasks_have_it(
    environment: str, pipelines: Path, project: Path, enter: Callable[[str], None], tmp_path: Path, monkeypatch: Any
) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    for file in (project / "include" / "environments").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    production = yaml.safe_load((folder / "production.yaml").read_text())
    production["kubernetes"]["secrets"] |= SECRETS
    (folder / "production.yaml").write_text(yaml.safe_dump(production))
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(folder))
    enter(environment)
    tasks = {task.task_id: task.connection for task in only_dag(project).tasks if isinstance(task, StepOperator)}
    assert {name for name, connection in tasks.items() if connection == "warehouse"} == {"start", "ingest"}
    assert {connection for name, connection in tasks.items() if name not in ("start", "ingest")} == {None}


def test_a_cluster_without_the_secret_is_told_before_anything_runs(
    pipelines: Path, project: Path, enter: Callable[[str], None], on_postgres: Pipeline, tmp_path: Path
) -> None:
    message = (
        f"{pipelines}/churn.yaml: source.connection: pods get 'warehouse' from a Secret, and `kubernetes.secrets` has no "
        "TRAINER_CONNECTION_WAREHOUSE; add it there by the name and key of a Secret that holds the address (environment {})"
    )
    assert mistakes() == [message.format(name) for name in ("production", "staging", "trial")]
    enter("production")
    broken = only_dag(project)
    assert broken.dag_id == "churn_broken"
    assert message.format("production") in broken.doc_md
    settings = read_settings("production", tmp_path)
    given = Kubernetes.model_validate({**settings.kubernetes.model_dump(), "secrets": SECRETS})
    check_connection(on_postgres, settings.model_copy(update={"kubernetes": given}))


def test_a_connection_is_no_open_variable(tmp_path: Path) -> None:
    cluster = read_settings("production", tmp_path).kubernetes.model_dump()
    with pytest.raises(ValueError, match="TRAINER_CONNECTION_WAREHOUSE: a secret belongs under `secrets`"):
        Kubernetes.model_validate({**cluster, "variables": {"TRAINER_CONNECTION_WAREHOUSE": "postgres://db/sales"}})


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run folder with nothing in it."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    return RunFolder.open(f"file://{home}/.runs/churn/manual__1-a1b2c3")


def test_a_connection_that_airflow_does_not_have_fails_the_task_for_good(
    run: RunFolder, on_postgres: Pipeline, airflow_home: Path
) -> None:
    start = LocalStepOperator(
        task_id="start", step="start", run=run.uri, pipeline=on_postgres.to_yaml(), connection="warehouse"
    )
    with pytest.raises(
        AirflowFailException, match="start: ConfigurationError: connection 'warehouse': Airflow has no such connec"
    ):
        start.execute(CONTEXT)
    failure = run.at("start").failure()
    assert failure is not None
    assert (
        "add it (in Airflow's UI under Admin, in `airflow_settings.yaml`, or as the variable AIRFLOW_CONN_WAREHOUSE)"
        in (failure.message)
    )
    with pytest.raises(ConfigurationError):
        login_of("warehouse")


def test_a_pipeline_on_a_table_is_read_and_validated(
    run: RunFolder,
    on_postgres: Pipeline,
    home: Path,
    warehouse: Warehouse,
    empty_mlflow_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "mlflow.db").write_bytes(empty_mlflow_store.read_bytes())
    address = f"127.0.0.1:{warehouse.server.port}/warehouse"
    with (
        adbc_driver_postgresql.dbapi.connect(f"postgresql://{USER}:{PASSWORD}@{address}", autocommit=True) as session,
        session.cursor() as cursor,
    ):
        cursor.adbc_ingest("customers", generate_telco(1500, 42, 0.0).frame.to_arrow(), mode="create")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.uri())
    monkeypatch.delenv("TRAINER_CONNECTION_WAREHOUSE")
    results = {}
    for step in ("start", "ingest", "validate"):
        task = LocalStepOperator(
            task_id=step, step=step, run=run.uri, pipeline=on_postgres.to_yaml() if step == "start" else "",
            connection=connection_of(on_postgres, step),
        )  # fmt: skip
        results[step] = task.execute(CONTEXT)
    assert results["start"]["source"] == results["ingest"]["source"] == f"postgresql://{address}/customers"
    assert (results["ingest"]["rows"], results["start"]["sample"]) == (1500, False)
    assert results["ingest"]["columns"]["total_charges"] == "Float64"
    assert results["validate"]["passed"] is True
    logged = "".join(capfd.readouterr())
    assert "1500 rows read" in logged
    assert PASSWORD not in logged + str(results)
    written = [file for file in home.rglob("*") if file.is_file()]
    assert [file for file in written if PASSWORD.encode() in file.read_bytes()] == []
    assert len(written) > 5
