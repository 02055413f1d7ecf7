"""The links on a task: to its MLflow run and to its page, and none to where nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from include.environment.settings import load_settings
from plugins.training_links import MlflowLink, PageLink
from tests.plugins.conftest import DAG, RUN
from trainer.run import RunFolder

UI = "http://127.0.0.1:5123"


class Key(NamedTuple):
    """As Airflow's, of a task of churn's run."""

    task_id: str
    dag_id: str = DAG
    run_id: str = RUN


def mlflow_link(task: str, dag: str = DAG) -> str:
    return MlflowLink().get_link(None, ti_key=Key(task, dag))  # type: ignore[arg-type]


def page_link(task: str) -> str:
    return PageLink().get_link(None, ti_key=Key(task))  # type: ignore[arg-type]


@pytest.fixture
def started(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that has an MLflow run, while `make ui` serves MLflow."""
    monkeypatch.setenv("PIPELINES_MLFLOW_UI", UI)
    load_settings.cache_clear()
    run.at("start").write_text("result.json", json.dumps({"run_id": "parent", "experiment_id": "7"}))
    return run


@pytest.mark.parametrize("task", ["start", "validate", "xgboost.tune", "xgboost.train", "decide", "notify"])
def test_a_task_without_an_mlflow_run_of_its_own_leads_to_the_parent(task: str, started: RunFolder) -> None:
    assert mlflow_link(task) == f"{UI}/#/experiments/7/runs/parent"


def test_a_training_job_leads_to_its_own_mlflow_run(started: RunFolder) -> None:
    started.at("train", "xgboost").write_text("result.json", json.dumps({"run_id": "job"}))
    started.at("refit").write_text("result.json", json.dumps({"run_id": "second"}))
    assert mlflow_link("refit") == f"{UI}/#/experiments/7/runs/second"
    assert mlflow_link("xgboost.train") == f"{UI}/#/experiments/7/runs/job"
    assert mlflow_link("lightgbm.train") == f"{UI}/#/experiments/7/runs/parent"


def test_there_is_no_link_before_the_mlflow_run_is(run: RunFolder, started: RunFolder) -> None:
    started.at("start").begin()
    assert mlflow_link("start") == ""


def test_there_is_no_link_to_a_store_that_nothing_serves(started: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINES_MLFLOW_UI")
    load_settings.cache_clear()
    assert mlflow_link("start") == ""


@pytest.mark.parametrize("dag", ["other", "../churn_training", "churn_broken"])
def test_other_dags_have_no_links(dag: str, started: RunFolder) -> None:
    assert mlflow_link("start", dag) == ""


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("validate", "validate/validation.html"),
        ("detect_drift", "detect_drift/drift.html"),
        ("decide", "decide/decision.json"),
        ("report", "report.html"),
        ("xgboost.train", "report.html"),
    ],
)
def test_a_task_leads_to_its_page_once_it_is_there(task: str, file: str, run: RunFolder) -> None:
    assert page_link(task) == ""
    run.write_text(file, "")
    name = "decision" if task == "decide" else file.rpartition("/")[2]
    assert page_link(task) == f"/training-runs/{DAG}/manual__2026-01-04T02%3A00%3A00%2B00%3A00/{name}"


def test_a_store_that_is_broken_costs_the_link_and_is_logged(
    started: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    started.at("start").write_text("result.json", "{")
    assert mlflow_link("start") == ""
    assert "no link for" in caplog.text


LOAD = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._get_plugins()
found = {"plugins": sorted(p.name for p in plugins), "errors": errors, "loaded": sorted(set(sys.modules) - before)}
open(sys.argv[1], "w").write(json.dumps(found))
"""


def test_loading_the_plugins_costs_airflows_processes_little(tmp_path: Path, project: Path, airflow_home: Path) -> None:
    output = tmp_path / "modules.json"
    command = [sys.executable, "-c", LOAD, str(output)]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    found = json.loads(output.read_text())
    assert found["errors"] == {}
    assert {"training_links", "training_pages"} <= set(found["plugins"])
    packages = {name.partition(".")[0] for name in found["loaded"]}
    assert packages & {"fastapi", "starlette", "s3fs", "mlflow", "pandas", "numpy", "polars"} == set()
    assert "airflow.api_fastapi.core_api.security" not in found["loaded"]
