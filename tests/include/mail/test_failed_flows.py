"""The mail about a scoring run, or a monitoring run, that failed."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from include.mail.failed_flows import scoring_mail
from include.mail.send import on_deployment_failure, on_monitoring_failure, on_scoring_failure
from trainer.run import RunFolder, deployment_key, monitoring_key, scoring_key
from trainer.run.records import Failure


def test_the_mail_says_which_step_failed_and_what_to_do(home: Path, airflow_home: Path) -> None:
    run = RunFolder.open(f"{home}/.runs/churn/{scoring_key('manual__1')}")
    failure = Failure(step="check_rows", error="DataValidationError", message="3 rows have no id", exit_code=3)
    run.at("check_rows").fail(failure)
    dag = SimpleNamespace(dag_id="churn_scoring")
    on_scoring_failure(cast("Any", {"dag": dag, "run_id": "manual__1", "reason": "task_failure"}))
    [file] = (home / ".outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["Subject"] == "Scoring Pipeline - Failure: churn"
    plain = message.get_body(("plain",))
    text = " ".join(str(plain and plain.get_content()).split())
    assert "churn: Scoring failed in check_rows: the output is as it was before" in text
    assert "check_rows: DataValidationError: 3 rows have no id" in text
    assert "clear the task `read_rows` or start a new run" in text


def test_a_run_that_left_no_record_has_airflows_reason(tmp_path: Path) -> None:
    mail = scoring_mail("churn", RunFolder.open(str(tmp_path / "none")), "timed_out")
    assert (mail.headline, mail.reasons, mail.facts) == ("Scoring failed", ["timed_out"], [])


def test_a_look_that_failed_has_taken_no_rows(home: Path, airflow_home: Path) -> None:
    run = RunFolder.open(f"{home}/.runs/churn/{monitoring_key('manual__1')}")
    failure = Failure(step="read_labels", error="DataValidationError", message="none of 5 ids", exit_code=3)
    run.at("read_labels").fail(failure)
    dag = SimpleNamespace(dag_id="churn_monitoring")
    on_monitoring_failure(cast("Any", {"dag": dag, "run_id": "manual__1", "reason": "task_failure"}))
    [file] = (home / ".outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["Subject"] == "Monitoring Pipeline - Failure: churn"
    plain = message.get_body(("plain",))
    text = " ".join(str(plain and plain.get_content()).split())
    assert "churn: Monitoring failed in read_labels: scored rows are not watched" in text
    assert "read_labels: DataValidationError: none of 5 ids" in text
    assert "No look has taken these rows yet" in text


def test_a_version_that_was_taken_back(home: Path, airflow_home: Path) -> None:
    run = RunFolder.open(f"{home}/.runs/churn/{deployment_key('manual__1')}")
    failure = Failure(step="release", error="ModelRefusedError", message="version 3 was taken back: slow", exit_code=4)
    run.at("release").fail(failure)
    dag = SimpleNamespace(dag_id="churn_deployment")
    on_deployment_failure(cast("Any", {"dag": dag, "run_id": "manual__1", "reason": "task_failure"}))
    [file] = (home / ".outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["Subject"] == "Deployment Pipeline - Failure: churn"
    plain = message.get_body(("plain",))
    text = " ".join(str(plain and plain.get_content()).split())
    assert "churn: Deployment: the new version was taken back" in text
    assert "release: ModelRefusedError: version 3 was taken back: slow" in text
    assert "The version before answers all requests" in text
