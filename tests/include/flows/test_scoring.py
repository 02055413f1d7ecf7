"""The scoring DAG of a pipeline, as Airflow loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from include.environment.settings import load_settings
from include.flows.task_docs import TASK_DOCS
from include.mail import send
from include.operators.base import StepOperator
from include.operators.pods.operator import PodStepOperator
from include.operators.pods.placement import check_placements
from tests.world import churn_document
from trainer.errors import ConfigurationError
from trainer.pipeline import pipeline_of
from trainer.run import scoring_key
from trainer.run.flow import SCORING

NAMES = [step.name for step in SCORING]
ON_TABLES = {
    "schedule": "@daily",
    "source": {"KIND": "postgres", "connection": "customers", "table": "customers"},
    "output": {"KIND": "postgres", "connection": "warehouse", "table": "scores.churn"},
}


@pytest.fixture
def pipelines(tmp_path: Path, airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one pipeline, which scores rows of a table into another one."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    write(folder, ON_TABLES)
    monkeypatch.setenv("PIPELINES_FOLDER", str(folder))
    return folder


def write(folder: Path, scoring: dict[str, Any]) -> None:
    (folder / "churn.yaml").write_text(yaml.safe_dump(churn_document(scoring=scoring)), encoding="utf-8")


def load(project: Path) -> dict[str, Any]:
    bag = DagBag(project / "dags" / "scoring.py")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_steps_follow_one_another_and_have_only_their_own_logins(
    pipelines: Path, project: Path, home: Path
) -> None:
    dag = load(project)["churn_scoring"]
    assert (dag.schedule, dag.max_active_runs, dag.catchup) == ("@daily", 1, False)
    assert dag.on_failure_callback == send.on_scoring_failure
    assert {"scoring", "binary_classification"} < dag.tags
    tasks: list[StepOperator] = [dag.get_task(name) for name in NAMES]
    assert [sorted(task.downstream_task_ids) for task in tasks] == [*([name] for name in NAMES[1:]), []]
    assert [task.connection for task in tasks] == ["customers", "customers", None, None, "warehouse"]
    assert [bool(task.pipeline) for task in tasks] == [True, False, False, False, False]
    assert [task.doc_md for task in tasks] == [TASK_DOCS[name] for name in NAMES]
    assert "publishes the answers to the table `scores.churn`" in dag.doc_md
    context: Any = {"run_id": "manual__1", "dag": dag}  # which has its own filters
    tasks[0].render_template_fields(context)
    assert tasks[0].run == f"file://{home}/.runs/churn/{scoring_key('manual__1')}"


def test_in_a_cluster_they_are_pods_whose_connections_have_to_be_there(
    pipelines: Path, project: Path, enter: Any
) -> None:
    enter("production")
    pipeline = pipeline_of(churn_document(scoring=ON_TABLES))
    settings = load_settings()
    with pytest.raises(ConfigurationError) as error:
        check_placements(pipeline, settings, "churn.yaml")
    assert "churn.yaml: scoring.source.connection: pods get 'customers' from a Secret" in str(error.value)
    assert load(project) == {}  # the DAG of training says what is wrong with the file
    write(
        pipelines,
        {**ON_TABLES, "source": {"KIND": "parquet", "uri": "new.parquet"}, "output": {"KIND": "parquet", "uri": "s"}},
    )
    assert {type(task) for task in load(project)["churn_scoring"].tasks} == {PodStepOperator}


def test_a_schedule_that_never_comes_breaks_only_this_dag(pipelines: Path, project: Path) -> None:
    write(pipelines, {**ON_TABLES, "schedule": "0 0 30 2 *"})
    [(name, dag)] = load(project).items()
    assert name == "churn_scoring_broken"
    assert "names a day that never comes" in dag.doc_md
