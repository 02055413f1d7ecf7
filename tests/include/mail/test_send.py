"""E-mails about runs, over a real mail server on loopback."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.mail.content import mail_of
from include.mail.html_body import as_html
from include.mail.send import on_run_failure, on_run_success
from tests.server import free_port
from trainer.decision import DecisionResult
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder, run_key
from trainer.run.records import DriftResult, Failure, PromoteResult, RegisterResult
from trainer.summary.summary import build_summary

RUN_ID = "scheduled__2026-01-04T02:00:00+00:00"
CONTEXT: Any = {"dag": SimpleNamespace(dag_id="churn_training"), "run_id": RUN_ID, "reason": "task_failure"}


@pytest.fixture(autouse=True)
def database(airflow_home: Path) -> None:
    """Airflow looks for connections in its database too."""


@pytest.fixture
def mail_connection(mailbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airflow connection to the mail server."""
    connect_to(mailbox.port, monkeypatch)


def connect_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 5}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


@pytest.fixture
def promoted_run(kept_run: RunFolder, evaluate: Callable[..., RunFolder]) -> RunFolder:
    """A run whose model has become production."""
    evaluate(kept_run, auc_roc=0.85)
    decision = {"outcome": "promote", "reason": "there is no production model yet", "compared_with": ""}
    kept_run.at("decide").finish(DecisionResult(winner="logistic", **decision))
    kept_run.at("decide").write_json("decision.json", {**decision, "gates": []})
    kept_run.at("register").finish(RegisterResult(model="churn-predictor-sample", version="8", created=True))
    kept_run.at("promote").finish(
        PromoteResult(model="churn-predictor-sample", version="8", aliases={"production": "8"})
    )
    return kept_run


@pytest.fixture
def failed_run(
    home: Path, small_churn: Pipeline, begin: Callable[..., RunFolder]
) -> Callable[[list[Failure]], RunFolder]:
    """Makes the run that CONTEXT names, with steps that failed."""

    def make(failures: list[Failure]) -> RunFolder:
        document = small_churn.model_dump(mode="json")
        document["algorithms"]["forest"] = {
            "KIND": "sklearn", "estimator": "sklearn.ensemble.RandomForestClassifier"
        }  # fmt: skip
        run = RunFolder.open(f"file://{home}/.runs/churn/{run_key(RUN_ID)}")
        begin(run, pipeline_of(document))
        for failure in failures:
            run.at(failure.step, failure.algorithm).fail(failure)
        return run

    return make


TWO_FAILURES = [
    Failure(step="train", algorithm="logistic", error="ModelTrainingError", message="did not converge", exit_code=1),
    Failure(step="train", algorithm="forest", error="StepKilled", message="killed (SIGKILL)", exit_code=-9),
]


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.usefixtures("mail_connection")
def test_a_promotion_is_told(promoted_run: RunFolder, mailbox: Any) -> None:
    assert on_run_success(promoted_run.uri) == "sent to mlops-team@example.com"
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Success: churn promoted"
    assert message["From"] == "pipelines@example.com"
    assert message["To"] == "mlops-team@example.com"
    html = body(message, "html")
    assert "The new model is production</h1>" in html
    assert "there is no production model yet" in html
    assert "version 8 (production → 8)" in html


@pytest.mark.usefixtures("mail_connection")
def test_a_model_that_is_not_better_is_told_as_success(kept_run: RunFolder, mailbox: Any) -> None:
    on_run_success(kept_run.uri)
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Success: churn kept"
    html = body(message, "html")
    assert "Production stays: the new model is not promoted</h1>" in html
    assert "not shown to be better than production" in body(message, "plain")
    assert "not shown to be better than production" in html


def test_the_summary_is_kept_beside_the_mail(kept_run: RunFolder) -> None:
    on_run_success(kept_run.uri)
    assert json.loads(kept_run.at("").read_text("summary.json"))["outcome"] == "kept"


@pytest.mark.usefixtures("mail_connection")
def test_a_failed_run_is_told_in_one_mail_with_every_step_that_failed(
    failed_run: Callable[..., RunFolder], mailbox: Any
) -> None:
    run = failed_run(TWO_FAILURES)
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Failure: churn failed"
    html = body(message, "html")
    assert "The run failed in train</h1>" in html
    assert "train logistic: ModelTrainingError: did not converge</p>" in html
    assert "train forest: StepKilled: killed (SIGKILL)</p>" in html
    assert json.loads(run.at("").read_text("summary.json"))["outcome"] == "failed"


@pytest.mark.usefixtures("mail_connection")
def test_a_refused_model_is_told_as_failure(failed_run: Callable[..., RunFolder], mailbox: Any) -> None:
    failed_run([Failure(step="decide", error="ModelRefusedError", message="0.41 is below", exit_code=4)])
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Failure: churn refused"


@pytest.mark.usefixtures("mail_connection")
def test_a_run_that_did_not_get_through_its_first_step_is_told(home: Path, mailbox: Any) -> None:
    run = RunFolder.open(f"file://{home}/.runs/churn/{run_key(RUN_ID)}")
    run.at("start").fail(Failure(step="start", error="ConfigurationError", message="no such host", exit_code=2))
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Failure: churn failed"
    assert "The configuration is wrong</h1>" in body(message, "html")
    assert "start: ConfigurationError: no such host" in body(message, "plain")


@pytest.mark.usefixtures("mail_connection")
def test_refused_data_is_called_a_data_quality_issue(failed_run: Callable[..., RunFolder], mailbox: Any) -> None:
    run = failed_run([Failure(step="evaluate", error="DataValidationError", message="churn: 3 blanks", exit_code=3)])
    run.at("detect_drift").finish(DriftResult(status="stable", reference_version="7"))
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    assert message["Subject"] == "Training Pipeline - Failure: churn failed: Data quality issue detected"
    lines = body(message, "plain").splitlines()
    assert lines[0] == "churn: Data quality issue detected"
    assert lines[2] == "evaluate: DataValidationError: churn: 3 blanks"
    assert "Fall back: production stays version 7" in lines


@pytest.mark.usefixtures("mail_connection")
def test_a_run_that_left_nothing_at_all_is_told(mailbox: Any) -> None:
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    assert message["Subject"].startswith("Training Pipeline - Failure: churn ")


@pytest.mark.usefixtures("mail_connection")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert('x')</script> & more", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more"),
        ("{{ 1 // 0 }} {% endfor %}", "{{ 1 // 0 }} {% endfor %}"),
        ("größer als 0 → neu", "größer als 0 → neu"),
    ],
    ids=["HTML", "a template", "umlauts"],
)
def test_what_a_step_says_is_shown_as_it_is(
    text: str, shown: str, failed_run: Callable[..., RunFolder], mailbox: Any
) -> None:
    failed_run([Failure(step="ingest", error="DataValidationError", message=text, exit_code=3)])
    on_run_failure(CONTEXT)
    (message,) = mailbox.messages
    html = body(message, "html")
    assert f"ingest: DataValidationError: {shown}</p>" in html
    assert "<script>" not in html


def test_html_escapes_a_note_too(kept_run: RunFolder) -> None:
    summary = build_summary(kept_run).model_copy(update={"reason": "<b>bold</b>", "pipeline": "a<b"})
    html = as_html(mail_of(summary, kept_run))
    assert "<b>bold</b>" not in html
    assert "a&lt;b</div>" in html


def outbox_mail(home: Path) -> EmailMessage:
    (file,) = (home / ".outbox").iterdir()
    assert file.suffix == ".eml"
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_without_a_connection_the_mail_is_written_to_the_outbox(kept_run: RunFolder, home: Path) -> None:
    told = on_run_success(kept_run.uri)
    assert told == f"written to {home}/.outbox/churn-manual__1-a1b2c3-kept.eml"
    assert (home / ".outbox").stat().st_mode & 0o777 == 0o700
    message = outbox_mail(home)
    assert message["Subject"] == "Training Pipeline - Success: churn kept"
    assert message["From"] == "pipelines@example.com"
    assert message["To"] == "mlops-team@example.com"
    assert message["Date"].datetime is not None
    assert body(message, "plain").startswith("churn: Production stays: the new model is not promoted\n")
    assert "Production stays" in body(message, "html")


def test_without_a_connection_a_failure_goes_to_the_outbox_too(
    failed_run: Callable[..., RunFolder], home: Path
) -> None:
    failed_run(TWO_FAILURES)
    on_run_failure(CONTEXT)
    message = outbox_mail(home)
    assert message["Subject"] == "Training Pipeline - Failure: churn failed"
    for text in ("train logistic: ModelTrainingError", "train forest: StepKilled"):
        assert text in body(message, "plain")


@pytest.fixture
def no_outbox(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings like production's, that insist on a mail connection, with runs on this machine."""
    from include.environment.settings import read_settings
    from include.mail import send

    local = read_settings("development", tmp_path)
    strict = local.model_copy(update={"alerts": read_settings("production", tmp_path).alerts})
    assert strict.alerts.outbox is None
    monkeypatch.setattr(send, "load_settings", lambda: strict)


@pytest.mark.usefixtures("no_outbox")
def test_where_a_connection_is_a_must_a_failure_mail_without_one_is_an_error(
    failed_run: Callable[..., RunFolder], home: Path
) -> None:
    failed_run(TWO_FAILURES)
    with pytest.raises(ConfigurationError, match="Airflow has no connection 'smtp_default'; add it, or name"):
        on_run_failure(CONTEXT)
    assert not (home / ".outbox").exists()


@pytest.mark.usefixtures("no_outbox")
def test_where_a_connection_is_a_must_a_success_without_one_stands_and_says_so(
    kept_run: RunFolder, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = on_run_success(kept_run.uri)
    assert told.startswith("not sent: ConfigurationError: alerts.connection: Airflow has no connection 'smtp_default'")
    assert "the mail 'Training Pipeline - Success: churn kept' was not sent" in caplog.text
    assert not (home / ".outbox").exists()


@pytest.mark.timeout(60)
def test_a_dead_mail_server_never_fails_a_success(
    kept_run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect_to(free_port(), monkeypatch)
    assert on_run_success(kept_run.uri).startswith("not sent: ")
    assert "was not sent" in caplog.text
    assert kept_run.at("").read_text("summary.json")


@pytest.mark.timeout(60)
def test_a_dead_mail_server_is_an_error_for_the_failure_mail(
    failed_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_to(free_port(), monkeypatch)
    failed_run(TWO_FAILURES)
    with pytest.raises(OSError, match="refused"):
        on_run_failure(CONTEXT)
