"""The monitoring DAG of a pipeline, as Airflow loads it."""

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
from include.operators.pods.placement import check_placements
from tests.world import churn_document
from trainer.errors import ConfigurationError
from trainer.pipeline import pipeline_of
from trainer.run import monitoring_key

SECTIONS: dict[str, Any] = {
    "scoring": {
        "source": {"KIND": "csv", "uri": "new.csv"},
        "output": {"KIND": "postgres", "connection": "warehouse", "table": "scores.churn"},
    },
    "monitoring": {
        "schedule": "@weekly",
        "labels": {"KIND": "postgres", "connection": "customers", "table": "churned"},
    },
}


def load(project: Path, folder: Path, monitoring: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    document = churn_document(**{**SECTIONS, "monitoring": monitoring})
    (folder / "churn.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("PIPELINES_FOLDER", str(folder))
    bag = DagBag(project / "dags" / "monitoring.py")
    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    return dag


def test_the_steps_follow_one_another_and_have_only_their_own_logins(
    tmp_path: Path, airflow_home: Path, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = load(project, tmp_path, SECTIONS["monitoring"], monkeypatch)
    names = ["start_monitoring", "read_scores", "read_labels", "monitor"]
    assert (dag.dag_id, dag.schedule, dag.max_active_runs) == ("churn_monitoring", "@weekly", 1)
    assert dag.on_failure_callback == send.on_monitoring_failure
    tasks: list[StepOperator] = [dag.get_task(name) for name in names]
    assert [sorted(task.downstream_task_ids) for task in tasks] == [*([name] for name in names[1:]), []]
    assert [task.connection for task in tasks] == ["customers", "warehouse", "customers", None]
    assert [bool(task.pipeline) for task in tasks] == [True, False, False, False]
    assert [task.doc_md for task in tasks] == [TASK_DOCS[name] for name in names]
    assert "judges versions by the labels" in dag.doc_md
    context: Any = {"run_id": "manual__1", "dag": dag}  # which has its own filters
    tasks[0].render_template_fields(context)
    assert tasks[0].run == f"file://{home}/.runs/churn/{monitoring_key('manual__1')}"
    without = load(project, tmp_path, {"schedule": "0 0 30 2 *"}, monkeypatch)
    assert without.dag_id == "churn_monitoring_broken"  # a day that never comes
    without = load(project, tmp_path, {}, monkeypatch)
    assert without.task_ids == ["start_monitoring", "read_scores", "monitor"]
    assert "judges nothing by labels" in without.doc_md


def test_in_a_cluster_the_connection_of_the_labels_has_to_be_there(enter: Any) -> None:
    enter("production")
    with pytest.raises(ConfigurationError) as error:
        check_placements(pipeline_of(churn_document(**SECTIONS)), load_settings(), "churn.yaml")
    assert "churn.yaml: scoring.output.connection: pods get 'warehouse' from a Secret" in str(error.value)
