"""E-mails about runs: one per run, on success from its last task, on failure from the DAG's callback."""

from __future__ import annotations

import html
import logging
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from include.operators import open_run
from include.settings import load_settings
from trainer.errors import ConfigurationError
from trainer.run import run_key
from trainer.run.rendering import MEANINGS, render
from trainer.run.summary import build_summary, unreadable_summary, write_summary

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.settings import Alerts
    from trainer.run import RunFolder
    from trainer.run.summary import Summary

logger = logging.getLogger(__name__)

SUCCESS = "Training Pipeline - Success"
FAILURE = "Training Pipeline - Failure"


def on_run_success(run: str) -> str:
    """Tell that a run ended well; returns what became of the mail. A mail that cannot be sent is logged, not raised."""
    folder = open_run(run)
    summary = build_summary(folder)
    write_summary(folder, summary)
    subject = f"{SUCCESS}: {summary.pipeline} {summary.outcome}"
    try:
        return _send(subject, summary, {})
    except Exception as error:  # the model stands, whatever the mail server does
        logger.exception("the mail %r was not sent", subject)
        return f"not sent: {type(error).__name__}: {error}"


def on_run_failure(context: Context) -> None:
    """Tell that a run failed, once per run and with every step that failed; the DAG's failure callback."""
    settings = load_settings()
    pipeline = str(context["dag"].dag_id).removesuffix("_training")
    folder = open_run(f"{settings.artifact_store}/{pipeline}/{run_key(str(context['run_id']))}")
    summary = _summary(folder)
    reason = str(context.get("reason") or "")
    logger.info("run %s of %s ended %s: %s", context["run_id"], pipeline, summary.outcome, reason)
    _send(f"{FAILURE}: {pipeline} {summary.outcome}", summary, context)


def _summary(folder: RunFolder) -> Summary:
    """The run's summary, kept in its folder; a store that is away or read-only must not keep the mail back."""
    try:
        summary = build_summary(folder)
    except Exception as error:
        logger.exception("the run folder %s cannot be read", folder.uri)
        return unreadable_summary(folder, error)
    try:
        write_summary(folder, summary)
    except Exception:
        logger.exception("the summary cannot be kept in %s", folder.uri)
    return summary


def _send(subject: str, summary: Summary, context: Any) -> str:
    """Mail through the connection; where there is none, write the mail to the outbox. Returns what was done.

    Raises ConfigurationError where there is neither.
    """
    settings = load_settings().alerts
    if not _is_configured(settings.connection):
        return _to_outbox(settings, subject, summary)
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # only who mails needs it, not who reads DAGs

    SmtpNotifier(
        to=settings.recipients,
        from_email=settings.sender,
        subject=subject,
        html_content=as_html(summary),
        smtp_conn_id=settings.connection,
    ).notify(context)
    logger.info("mail %r sent to %s", subject, ", ".join(settings.recipients))
    return f"sent to {', '.join(settings.recipients)}"


def _is_configured(connection: str) -> bool:
    try:
        Connection.get(connection)
    except AirflowNotFoundException:
        return False
    return True


def _to_outbox(settings: Alerts, subject: str, summary: Summary) -> str:
    if settings.outbox is None:
        raise ConfigurationError(
            f"alerts.connection: Airflow has no connection {settings.connection!r}; add it, or name an `alerts.outbox`"
        )
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Date"] = datetime.now(UTC)
    message.set_content(render(summary))
    message.add_alternative(as_html(summary), subtype="html")
    outbox = Path(settings.outbox)
    outbox.mkdir(parents=True, exist_ok=True)
    file = outbox / f"{summary.pipeline}-{summary.run.rsplit('/', 1)[-1]}-{summary.outcome}.eml"
    file.write_bytes(bytes(message))
    logger.info("no connection %r: the mail is in %s", settings.connection, file)
    return f"written to {file}"


def as_html(summary: Summary) -> str:
    """The summary as the body of a mail; the reason first."""
    headline, _, meaning = MEANINGS[summary.outcome].partition(": ")
    failed = "".join(
        f"<li><b>{html.escape(' '.join(filter(None, (failure.step, failure.algorithm))))}</b>: "
        f"{html.escape(failure.error)}: {html.escape(failure.message)}</li>"
        for failure in summary.failures
    )
    return (
        '<div style="font-family: system-ui, sans-serif; max-width: 46em; line-height: 1.5">'
        f"<h2>{html.escape(summary.pipeline)}: {html.escape(headline.lower())}</h2>"
        f"<p>{html.escape(meaning)}.</p>"
        + (f"<p>These steps failed:</p><ul>{failed}</ul>" if failed else f"<p>{html.escape(summary.reason)}</p>")
        + f'<pre style="overflow-x: auto; font-size: 13px">{html.escape(render(summary))}</pre></div>'
    )
