"""Close the run's record: its summary, and every MLflow run it opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.run.results import ReportResult, StartResult
from trainer.run.summary import build_summary, write_summary

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.summary import Summary

logger = logging.getLogger(__name__)

ENDED_WELL = ("promoted", "registered", "kept")


def run(pipeline: Pipeline, run: RunFolder) -> ReportResult:
    """Write `summary.json`, log it to the parent MLflow run, and leave no MLflow run of this run RUNNING."""
    from trainer.tracking import close_running, connect

    start = run.at("start").result(StartResult)
    summary = build_summary(run.at(""))
    address = write_summary(run, summary)
    client = connect()
    close_running(client, start.experiment_id, run.key, keep=start.run_id)
    _log(client, start.run_id, summary)
    client.set_terminated(start.run_id, "FINISHED" if summary.outcome in ENDED_WELL else "FAILED")
    logger.info("%s: %s: %s", pipeline.name, summary.outcome, summary.reason)
    return ReportResult(outcome=summary.outcome, summary=address)


def _log(client: MlflowClient, run_id: str, summary: Summary) -> None:
    from trainer.run.summary import SUMMARY_FILE
    from trainer.tracking import log_metrics

    client.log_text(run_id, summary.model_dump_json(indent=2), SUMMARY_FILE)
    if summary.metrics:
        log_metrics(client, run_id, {f"test_{name}": value for name, value in summary.metrics.items()})
    for name, value in _tags(summary).items():
        client.set_tag(run_id, name, value)


def _tags(summary: Summary) -> dict[str, str]:
    """What the parent run is found by: its outcome, its winner and the data it rests on."""
    tags = {"outcome": summary.outcome, "winner": summary.winner}
    if summary.data:
        tags |= {"data.source": summary.data.source, "data.digest": summary.data.digest}
    return {name: value for name, value in tags.items() if value}
