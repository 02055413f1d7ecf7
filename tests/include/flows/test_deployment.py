"""The deployment DAG of a pipeline, as Airflow loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset

from include.flows.task_docs import TASK_DOCS
from include.mail import send
from include.operators.base import StepOperator
from tests.world import churn_document
from trainer.run import deployment_key
from trainer.run.flow import DEPLOYMENT

NAMES = [step.name for step in DEPLOYMENT]


@pytest.fixture(autouse=True)
def pipelines(tmp_path: Path, airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one pipeline that has a deployment."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    document = churn_document(deployment={"canary_percent": 5})
    (folder / "churn.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("PIPELINES_FOLDER", str(folder))
    return folder


def load(project: Path, name: str) -> dict[str, Any]:
    bag = DagBag(project / "dags" / name)
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_a_promotion_starts_it_and_its_last_step_runs_after_failures(project: Path, home: Path) -> None:
    dag = load(project, "deployment.py")["churn_deployment"]
    promotes = load(project, "training.py")["churn_training"].get_task("promote")
    assert promotes.outlets == [Asset(name="churn_promoted", uri="promotion://churn-predictor/churn")]
    assert list(dag.timetable.asset_condition.objects) == promotes.outlets
    assert (dag.max_active_runs, dag.catchup, dag.on_failure_callback) == (1, False, send.on_deployment_failure)
    tasks: list[StepOperator] = [dag.get_task(name) for name in NAMES]
    assert [sorted(task.downstream_task_ids) for task in tasks] == [*([name] for name in NAMES[1:]), []]
    assert [(task.trigger_rule.value, task.cleans_up) for task in tasks[-2:]] == [
        ("all_success", False),
        ("all_done", True),
    ]
    assert [bool(task.pipeline) for task in tasks] == [True, False, False, False, False]
    assert [task.doc_md for task in tasks] == [TASK_DOCS[name] for name in NAMES]
    assert "gets 5 % of the traffic for\n30 minutes" in dag.doc_md
    context: Any = {"run_id": "manual__1", "dag": dag}  # which has its own filters
    tasks[0].render_template_fields(context)
    assert tasks[0].run == f"file://{home}/.runs/churn/{deployment_key('manual__1')}"


def test_where_the_environment_names_no_target_there_is_no_such_dag(project: Path, enter: Any) -> None:
    enter("production")
    assert load(project, "deployment.py") == {}
