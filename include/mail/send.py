"""E-mails about runs: one per run, on success from its last task, on failure from the DAG's callback."""

from __future__ import annotations

import email.policy
import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTPException
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import Connection
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from include.environment.settings import connections_of_the_database, load_settings
from include.mail.content import Mail, mail_of, start_of, subject_of
from include.mail.failed_flows import deployment_mail, monitoring_mail, request_mail, scoring_mail
from include.mail.html_body import as_html
from include.mail.retraining import retraining_mail
from include.mail.text_body import as_text
from include.operators.base import open_run
from include.operators.step_servers import is_one_process
from trainer.errors import ConfigurationError
from trainer.run import deployment_key, monitoring_key, request_key, run_key, scoring_key
from trainer.run.folder import make_private
from trainer.run.ownership import refuse_other_run
from trainer.summary.summary import build_summary, unreadable_summary, write_summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from include.environment.settings import Alerts
    from include.flows.questions import Question
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import RetrainResult
    from trainer.run.waiting import WaitingRun
    from trainer.summary.summary import Summary

logger = logging.getLogger(__name__)

SUCCESS = "Training Pipeline - Success"
FAILURE = "Training Pipeline - Failure"
SCORING_FAILURE = "Scoring Pipeline - Failure"
MONITORING_FAILURE = "Monitoring Pipeline - Failure"
DEPLOYMENT_FAILURE = "Deployment Pipeline - Failure"
REQUEST_FAILURE = "Request - Nothing moved"
RETRAINING = "Monitoring Pipeline - Retraining"
QUESTION = "Training Pipeline - Approval"
QUEUED = "Training Pipeline - Queued"
POLICY = email.policy.default.clone(max_line_length=200)
"""Subjects in one line: some programs show the fold."""


def on_run_success(run: str) -> str:
    """Tell that a run ended well; returns what became of the mail. A mail that cannot be sent is logged, not raised."""
    folder = open_run(run)
    summary = build_summary(folder)
    write_summary(folder, summary)
    subject = subject_of(summary, SUCCESS)
    try:
        return _send(subject, summary, folder)
    except Exception as error:  # the model stands, whatever the mail server does
        logger.exception("the mail %r was not sent", subject)
        return f"not sent: {type(error).__name__}: {error}"


def on_run_failure(context: Context) -> None:
    """Tell that a run failed, once per run and with every step that failed; the DAG's failure callback."""
    settings = load_settings()
    pipeline = str(context["dag"].dag_id).removesuffix("_training")
    folder = open_run(f"{settings.artifact_store}/{pipeline}/{run_key(str(context['run_id']))}")
    summary = _summary(folder, str(context["run_id"]))
    reason = str(context.get("reason") or "")
    logger.info("run %s of %s ended %s: %s", context["run_id"], pipeline, summary.outcome, reason)
    # `airflow dags test` calls this outside of any task, where Airflow looks for connections in the environment alone.
    with connections_of_the_database() if is_one_process() else nullcontext():
        _send(subject_of(summary, FAILURE), summary, folder)


def on_scoring_failure(context: Context) -> None:
    """Tell that a scoring run failed, once per run; the failure callback of its DAG."""
    _on_flow_failure(context, "_scoring", scoring_key, scoring_mail, SCORING_FAILURE)


def on_monitoring_failure(context: Context) -> None:
    """Tell that a monitoring run failed, once per run; the failure callback of its DAG."""
    _on_flow_failure(context, "_monitoring", monitoring_key, monitoring_mail, MONITORING_FAILURE)


def on_deployment_failure(context: Context) -> None:
    """Tell that a deployment failed or was taken back, once per run; the failure callback of its DAG."""
    _on_flow_failure(context, "_deployment", deployment_key, deployment_mail, DEPLOYMENT_FAILURE)


def on_request_failure(context: Context) -> None:
    """Mail that a request to move production was declined or failed, once per run; the failure callback of its DAG."""
    _on_flow_failure(context, "_requests", request_key, request_mail, REQUEST_FAILURE)


def _on_flow_failure(
    context: Context,
    suffix: str,
    key_of: Callable[[str], str],
    mail: Callable[[str, RunFolder, str], Mail],
    subject: str,
) -> None:
    settings = load_settings()
    pipeline = str(context["dag"].dag_id).removesuffix(suffix)
    key = key_of(str(context["run_id"]))
    folder = open_run(f"{settings.artifact_store}/{pipeline}/{key}")
    content = mail(pipeline, folder, str(context.get("reason") or ""))
    message = _message(settings.alerts, f"{subject}: {pipeline}", content)
    # `airflow dags test` calls this outside of any task, where Airflow looks for connections in the environment alone.
    with connections_of_the_database() if is_one_process() else nullcontext():
        _sent(settings.alerts, message, f"{pipeline}-{key}-failed")


def on_question(question: Question, link: str) -> str:
    """Mail that a person is asked something, and where to answer; returns what was done, or why it was not."""
    subject = f"{QUESTION}: {question.subject}"
    content = Mail(
        tone="neutral", pipeline=question.pipeline, headline=question.subject.partition(": ")[2], reasons=[],
        next_step=f"{_where(link)} and answer. {question.deadline}", facts=question.facts, gates=[], candidates=[],
        links=_answer_here(link),
    )  # fmt: skip
    try:
        alerts = load_settings().alerts
        return _sent(alerts, _message(alerts, subject, content), f"{question.pipeline}-{run_key(question.run_id)}-asks")
    except Exception as error:  # the question is on Airflow's page, whatever the mail server does
        logger.exception("the mail %r was not sent; the question is at %s", subject, link)
        return f"not sent: {type(error).__name__}: {error}"


def on_retraining(pipeline: Pipeline, folder: RunFolder, result: RetrainResult) -> str:
    """Mail that monitoring starts a training run, and its figures; returns what was done, or why it was not."""
    content = retraining_mail(pipeline, folder, result)
    subject = f"{RETRAINING}: {pipeline.name}"
    try:
        alerts = load_settings().alerts
        return _sent(alerts, _message(alerts, subject, content), f"{pipeline.name}-{folder.key}-retrain")
    except Exception as error:  # the run is started, whatever the mail server does
        logger.exception("the mail %r was not sent", subject)
        return f"not sent: {type(error).__name__}: {error}"


def on_queued(pipeline: str, run_id: str, minutes: float, ahead: WaitingRun) -> str:
    """Mail that a run is queued behind one that waits for an answer, and where to answer; returns what was done."""
    headline = "a run waits for the answer to an earlier one"
    reason = f"One run of {pipeline} is active at a time, and {ahead.run_id} has waited since {ahead.asked_at}."
    facts = [
        ("Queued run", f"{run_id}, for {minutes:g} minutes"),
        ("Run that waits", ahead.run_id),
        ("Its question", ahead.question),
    ]
    content = Mail(
        tone="neutral", pipeline=pipeline, headline=headline, reasons=[reason],
        next_step=f"{_where(ahead.link)} and answer; {run_id} starts once {ahead.run_id} has ended.", facts=facts,
        gates=[], candidates=[], links=_answer_here(ahead.link),
    )  # fmt: skip
    alerts = load_settings().alerts
    message = _message(alerts, f"{QUEUED}: {pipeline}: {headline}", content)
    return _sent(alerts, message, f"{pipeline}-{run_key(run_id)}-queued")


def _where(link: str) -> str:
    return "Open the page below" if link else "Open Airflow's page Required Actions"


def _answer_here(link: str) -> list[tuple[str, str]]:
    return [("Answer here", link)] if link else []


def _summary(folder: RunFolder, run_id: str) -> Summary:
    """The run's summary, kept in its folder; a store that is away or read-only must not keep the mail back."""
    try:
        refuse_other_run(folder, run_id)
        summary = build_summary(folder)
    except Exception as error:
        logger.exception("the run folder %s cannot be read", folder.uri)
        return unreadable_summary(folder, error)
    try:
        write_summary(folder, summary)
    except Exception:
        logger.exception("the summary cannot be kept in %s", folder.uri)
    return summary


def _send(subject: str, summary: Summary, run: RunFolder) -> str:
    """Mail through the connection; where there is none, write the mail to the outbox. Returns what was done.

    Raises ConfigurationError where there is neither.
    """
    settings = load_settings()
    content = mail_of(summary, run, settings.mlflow.address, _airflow_page(summary, run))
    message = _message(settings.alerts, subject, content)
    return _sent(settings.alerts, message, f"{summary.pipeline}-{summary.run.rsplit('/', 1)[-1]}-{summary.outcome}")


def _sent(alerts: Alerts, message: EmailMessage, name: str) -> str:
    """Send a mail, or write it to the outbox under a name; returns what was done."""
    if not _is_configured(alerts.connection):
        return _to_outbox(alerts, message, name)
    _deliver(alerts.connection, message)
    logger.info("mail %r sent to %s", message["Subject"], message["To"])
    return f"sent to {message['To']}"


def _message(settings: Alerts, subject: str, content: Mail) -> EmailMessage:
    """Plain text and HTML as alternatives: a mail program shows the one that it can."""
    message = EmailMessage(POLICY)
    message["Subject"] = subject
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Date"] = datetime.now(UTC)
    message.set_content(as_text(content), cte="quoted-printable")
    message.add_alternative(as_html(content), subtype="html", cte="quoted-printable")
    return message


def _deliver(connection: str, message: EmailMessage) -> None:
    """Send through the provider's hook; its notifier builds a mail of HTML alone."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # only who mails needs it, not who reads DAGs

    with SmtpHook(smtp_conn_id=connection) as hook:
        for left in reversed(range(hook.smtp_retry_limit + 1)):
            try:
                hook._smtp_client.send_message(message)  # type: ignore[union-attr]  # noqa: SLF001  (the hook itself sends no finished message)
            except SMTPException:
                if not left:
                    raise
            else:
                return


def _airflow_page(summary: Summary, run: RunFolder) -> str:
    """The run's page in Airflow's UI, where Airflow has been told its own address."""
    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    start = start_of(run)
    if not base or start is None or not start.airflow_run_id:
        return ""
    return f"{base}/dags/{summary.pipeline}_training/runs/{quote(start.airflow_run_id)}"


def _is_configured(connection: str) -> bool:
    try:
        Connection.get(connection)
    except AirflowNotFoundException:
        return False
    return True


def _to_outbox(settings: Alerts, message: EmailMessage, name: str) -> str:
    if settings.outbox is None:
        raise ConfigurationError(
            f"alerts.connection: Airflow has no connection {settings.connection!r}; add it, or name an `alerts.outbox`"
        )
    outbox = Path(settings.outbox)
    make_private(outbox)
    file = outbox / f"{name}.eml"
    file.write_bytes(bytes(message))
    logger.info("no connection %r: the mail is in %s", settings.connection, file)
    return f"written to {file}"
