"""A queued run is mailed about if an earlier run of its pipeline waits for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from include.environment.settings import load_settings
from include.flows import queued
from include.flows.queued import queued_alert, tell_queued
from include.operators.base import open_run
from tests.conftest import changed
from tests.mailbox import text_of
from trainer.pipeline import Pipeline
from trainer.run import run_key
from trainer.run.waiting import begin_waiting

LINK = "http://localhost:8080/dags/churn_training/runs/first/tasks/approve/required_actions"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of the development environment, where a run called `first` of churn waits for an answer."""
    monkeypatch.setenv("PIPELINES_HOME", str(tmp_path))
    load_settings.cache_clear()
    first = open_run(f"{load_settings().artifact_store}/churn/{run_key('first')}").at("approve")
    begin_waiting(first, "first", "churn: promote the new churn-predictor?", LINK)
    yield tmp_path
    load_settings.cache_clear()


def told(state: str) -> str:
    run = {"dag_id": "churn_training", "dag_run_id": "second", "state": state}
    return asyncio.run(tell_queued("churn", 10, {"dag_run": run}))


def test_the_mail_names_both_runs_and_leads_to_the_question(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "_state", lambda *_: "running")
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    assert told("queued").startswith("written to ")
    [file] = home.rglob("*-queued.eml")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "Training Pipeline - Queued: churn: a run waits for the answer to an earlier one"
    text = text_of(mail)
    assert "One run of churn is active at a time, and first has waited since" in text
    assert "second, for 10 minutes" in text
    assert LINK in text


@pytest.mark.parametrize(
    ("state", "ahead", "said"),
    [
        ("running", "running", "the run is running"),
        ("queued", "failed", "no earlier run waits for an answer"),
    ],
)
def test_nothing_is_mailed_of_a_run_that_is_not_held_up(
    home: Path, state: str, ahead: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "_state", lambda *_: ahead)
    assert told(state) == said
    assert not [*home.rglob("*.eml")]


@pytest.mark.parametrize(
    ("approval", "minutes"),
    [("never", None), ("always", 10), ({"start": True, "queued_minutes": 2.5}, 2.5)],
)
def test_only_pipelines_that_ask_a_person_watch_their_queue(
    churn: Pipeline, approval: object, minutes: float | None
) -> None:
    alert = queued_alert(changed(churn, approval=approval))
    assert (alert and alert.interval) == (minutes and timedelta(minutes=minutes))


def test_a_run_in_one_process_has_no_deadline(churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["airflow", "dags", "test", "churn_training"])
    assert queued_alert(changed(churn, approval="always")) is None
