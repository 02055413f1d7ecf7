"""The DAG that asks a person to move production, and what its question leaves in the run folder."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

from include.flows.questions import MoveRequest, request_question
from include.operators.approval import REQUEST_FILE, ApproveRequestOperator
from include.operators.pods.operator import PodStepOperator
from trainer.pipeline import Pipeline
from trainer.run import RunFolder, request_key
from trainer.run.records import RequestResult

ASKED = MoveRequest(
    move="rollback", model="churn-predictor", version="3", reason="worse *here*", by_agent=True, asked_by="ann"
)


@pytest.fixture
def task(churn: Pipeline, tmp_path: Any) -> ApproveRequestOperator:
    RunFolder.open(f"file://{tmp_path}/run").write_text(REQUEST_FILE, ASKED.model_dump_json())
    return ApproveRequestOperator(task_id="approve_request", run=f"file://{tmp_path}/run", pipeline=churn)


def test_a_request_is_a_question_and_then_a_step(project: Any, airflow_home: Any, home: Any) -> None:
    bag = DagBag(project / "dags" / "move_requests.py")
    assert bag.import_errors == {}
    dag: Any = bag.dags["churn_requests"]
    assert (dag.schedule, dag.max_active_runs, dag.is_paused_upon_creation) == (None, 16, False)
    asks, moves = dag.get_task("approve_request"), dag.get_task("move_production")
    assert asks.downstream_task_ids == {"move_production"}
    assert moves.pipeline
    assert [asset.name for asset in moves.outlets] == ["churn_promoted"]
    context: Any = {"run_id": "manual__1", "dag": dag}
    moves.render_template_fields(context)
    assert moves.run == f"file://{home}/.runs/churn/{request_key('manual__1')}"
    assert {*dag.params} == {"move", "model", "version", "reason", "by_agent"}


def test_in_a_cluster_the_move_is_a_pod(project: Any, airflow_home: Any, enter: Any) -> None:
    enter("trial")
    dag: Any = DagBag(project / "dags" / "move_requests.py").dags["churn_requests"]
    assert isinstance(dag.get_task("move_production"), PodStepOperator)


def test_the_question_names_who_asks_and_the_move(churn: Pipeline) -> None:
    question = request_question(churn, ASKED, "manual__1")
    assert question.subject == "churn: roll churn-predictor back from version 3?"
    assert "ann asked for this rollback through an agent tool: worse \\*here\\*" in question.body
    assert question.deadline == "Without an answer within 72 h nothing moves."


def test_without_a_scheduler_it_fails_at_once(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["airflow", "dags", "test", "churn_requests"])
    context = {"params": ASKED.model_dump(exclude={"asked_by"}), "dag_run": SimpleNamespace(), "run_id": "manual__1"}
    with pytest.raises(AirflowFailException, match="without a scheduler nobody can be asked: nothing moves"):
        task.execute(context)


def answer(option: str) -> dict[str, Any]:
    return {
        "chosen_options": [option], "responded_by_user": {"id": "1", "name": "bob"}, "params_input": {"words": "go on"},
        "responded_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip


def test_an_approval_is_kept_with_who_asked_and_who_approved(task: ApproveRequestOperator) -> None:
    task.execute_complete({}, answer("Approve"))
    kept = RunFolder.open(task.run).at("approve_request").result(RequestResult)
    assert (kept.move, kept.model, kept.version, kept.by) == ("rollback", "churn-predictor", "3", "bob")
    assert kept.reason == ("ann asked for this rollback through an agent tool: worse *here*; bob approved it: go on")


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (answer("Decline"), "bob declined the rollback: go on"),
        ({"error_type": "timeout", "error": "late"}, "nobody has answered in time, so nothing moves"),
        ({**answer("Approve"), "timedout": True}, "nobody has answered in time, so nothing moves"),
    ],
)
def test_anything_else_than_an_approval_fails(task: ApproveRequestOperator, event: Any, message: str) -> None:
    with pytest.raises(AirflowFailException, match=message):
        task.execute_complete({}, event)
    folder = RunFolder.open(task.run).at("approve_request")
    assert folder.result_or_none(RequestResult) is None
    failure = folder.failure()
    assert failure is not None
    assert failure.error == "RequestDeclined"
