"""Training that monitoring starts: the schedules of the DAGs, the task that decides, and what the run says of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset, AssetOrTimeSchedule
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.serialization.serialized_objects import DagSerialization

from include.flows.retraining import Scheduler, retraining_asset
from include.flows.run_form import with_trigger
from include.mail import send
from include.operators.base import open_run
from tests.mailbox import text_of
from tests.world import churn_document
from trainer.pipeline import pipeline_of
from trainer.run import RunFolder
from trainer.run.records import LookEvidence, Production, RetrainingDecision, RetrainResult
from trainer.run.waiting import begin_waiting

ASSET = Asset("churn_retraining")
SECTIONS: dict[str, Any] = {
    "scoring": {"source": {"KIND": "csv", "uri": "new.csv"}, "output": {"KIND": "parquet", "uri": "scores"}},
    "monitoring": {},
    "retrain": {"when": {"drift_share": 0.3}},
}
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(tmp_path: Path, airflow_home: Path, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads the DAGs of a churn pipeline with these sections, by id."""

    def loaded(**sections: Any) -> dict[str, Any]:
        (tmp_path / "churn.yaml").write_text(yaml.safe_dump(churn_document(**{**SECTIONS, **sections})))
        monkeypatch.setenv("PIPELINES_FOLDER", str(tmp_path))
        bags = [DagBag(project / "dags" / f"{flow}.py") for flow in ("training", "monitoring")]
        assert [bag.import_errors for bag in bags] == [{}, {}]
        return {name: dag for bag in bags for name, dag in bag.dags.items()}

    return loaded


def test_events_start_training_beside_its_cron_or_alone(load: Load) -> None:
    both = load(schedule="0 2 * * 0")["churn_training"]
    assert isinstance(both.schedule, AssetOrTimeSchedule)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(both))
    due = stored.next_dagrun_info(last_automated_run_info=None)
    assert due is not None
    assert (due.run_after.isoweekday(), due.run_after.hour, stored.timetable.summary) == (7, 2, "Asset or 0 2 * * 0")
    assert load(schedule=None)["churn_training"].schedule == [ASSET]
    assert load(schedule="0 2 * * 0", retrain=None)["churn_training"].schedule == "0 2 * * 0"
    assert "churn_broken" in load(schedule="0 0 30 2 *")  # a day that never comes


def test_the_last_task_of_a_look_sends_the_event(load: Load) -> None:
    task = load()["churn_monitoring"].get_task("retrain")
    assert (task.upstream_task_ids, task.downstream_task_ids) == ({"monitor"}, set())
    assert (task.inlets, task.outlets) == ([ASSET], [retraining_asset("churn")])
    dag = load(retrain=None)["churn_monitoring"]
    assert "retrain" not in dag.task_ids
    assert "It starts no training run." in dag.doc_md


def event(minute: int, **extra: Any) -> Any:
    return SimpleNamespace(timestamp=datetime(2026, 3, 2, 7, minute, tzinfo=UTC), extra=extra)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], None),
        ([event(1, look="a", reason="old"), event(2, look="b", reason="2 of 3")], "triggered by monitoring: 2 of 3"),
        ([event(1)], "triggered by an asset: an event of the asset that somebody has created by hand"),
        ([event(1, look="a", reason="x" * 2000)], f"triggered by monitoring: {'x' * 975}"),
    ],
    ids=["a person or a cron", "the newest event", "by hand", "long"],
)
def test_a_run_says_what_has_started_it(load: Load, events: list[Any], said: str | None) -> None:
    assert with_trigger({"trials": 2}, {ASSET: events} if events else {}).get("triggered_by") == said
    dag = load()["churn_training"]
    start = dag.get_task("start")
    context: Any = {
        "run_id": "r", "dag": dag, "params": {"trials": 2}, "triggering_asset_events": {ASSET: events} if events else {}
    }  # fmt: skip
    start.render_template_fields(context)
    assert yaml.safe_load(start.parameters).get("triggered_by") == said


class TaskInstance:
    """The answers of Airflow to a task."""

    def __init__(self, *, paused: bool = False, active: int = 0, states: dict[str, str] | None = None) -> None:
        self.paused, self.active, self.states = paused, active, states or {}

    def get_dag(self, dag_id: str) -> Any:
        assert dag_id == "churn_training"
        return SimpleNamespace(is_paused=self.paused)

    def get_dr_count(self, dag_id: str, *, states: list[str]) -> int:
        assert states == ["queued", "running"]
        return self.active

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        if run_id not in self.states:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
        return self.states[run_id]


@pytest.mark.parametrize(
    ("airflow", "waits", "reason"),
    [
        (TaskInstance(), "", ""),
        (TaskInstance(paused=True), "", "churn_training is paused, and Airflow drops events of a paused DAG; unpause"),
        (TaskInstance(active=1), "", "1 run of churn_training is queued, running or waits for approval"),
        (TaskInstance(states={"first": "running"}), "first", "run first waits for an answer: promote?"),
        (TaskInstance(states={"first": "failed"}), "first", ""),
        (TaskInstance(), "elsewhere", "run elsewhere waits for an answer: promote?"),
    ],
    ids=["free", "paused", "active", "waits", "was killed while it waited", "waits in another Airflow"],
)
def test_no_run_starts_beside_another(tmp_path: Path, airflow: TaskInstance, waits: str, reason: str) -> None:
    folder = RunFolder.open(f"{tmp_path}/look").at("retrain")
    if waits:
        begin_waiting(RunFolder.open(f"{tmp_path}/{waits}").at("approve"), waits, "promote?", "")
    assert Scheduler({"ti": airflow}, "churn_training", ASSET).busy(folder).startswith(reason or "")
    assert bool(Scheduler({"ti": airflow}, "churn_training", ASSET).busy(folder)) == bool(reason)


def test_the_mail_has_the_figures_of_each_look(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    looks = [
        LookEvidence(look=f"l{day}", started_at=f"2026-03-{day:02}T07:00:00+00:00", performance_drop=drop,
                     drop_bound=drop and drop - 0.02, drift_share=share)
        for day, drop, share in ((2, 0.031, 0.0), (9, None, None))
    ]  # fmt: skip
    since = (datetime(2026, 3, 1, tzinfo=UTC) - timedelta(days=30)).isoformat()
    decision = RetrainingDecision(
        retrain=True, condition="performance_drop", reason="1 of 1 looks count", evidence=looks, counted=["l2"],
        production=Production(model="m", version="3", since=since),
    )  # fmt: skip
    folder = open_run(f"{home}/.runs/churn/monitoring-1").at("retrain")
    result = RetrainResult(outcome="started", reason=decision.reason, decision=decision)
    assert send.on_retraining(pipeline_of(churn_document(**SECTIONS)), folder, result).startswith("written to ")
    [file] = home.rglob("*-retrain.eml")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "Monitoring Pipeline - Retraining: churn"
    text = text_of(mail)
    for said in (
        "churn: Monitoring starts a training run", "m version 3, production since 2026-01-30 00:00 UTC",
        "counts; drop +0.031, at 99 % above +0.011; 0%", "does not count; no labels judged; no new rows",
    ):  # fmt: skip
        assert said in text
