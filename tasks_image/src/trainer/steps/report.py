"""Close the run's record: its summary, and every MLflow run it opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.run.records import DriftResult, ReportResult, StartResult
from trainer.summary.summary import build_summary, write_summary
from trainer.tables.handover import DRIFT

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.summary.summary import Summary

logger = logging.getLogger(__name__)

LONGEST_REASON = 5000
"""Characters; MLflow takes 8,000 for a tag."""
ENDED_WELL = ("promoted", "registered", "trained", "kept")


def run(pipeline: Pipeline, run: RunFolder) -> ReportResult:
    """Write `summary.json` and `report.html`, log them to the parent MLflow run, and leave none of its runs RUNNING.

    The page is written before MLflow is asked for anything, and the record is closed whatever becomes of the page.
    """
    from trainer.reports.run_report import PAGE, write_report

    start = run.at("start").result(StartResult)
    summary = build_summary(run.at(""))
    address = write_summary(run, summary)
    try:
        page = write_report(run)
    finally:
        client = _close(pipeline, run, start, summary)
    with run.at("").local(PAGE) as file:
        client.log_artifact(start.run_id, str(file))
    logger.info("%s: %s: %s", pipeline.name, summary.outcome, summary.reason)
    return ReportResult(outcome=summary.outcome, summary=address, page=page)


def _close(pipeline: Pipeline, run: RunFolder, start: StartResult, summary: Summary) -> MlflowClient:
    from trainer.registry.tracking import close_running, connect

    client = connect()
    close_running(client, start.experiment_id, pipeline.name, run.key, keep=start.run_id)
    _log(client, start.run_id, summary)
    _log_judging(client, start.run_id, run)
    client.set_terminated(start.run_id, "FINISHED" if summary.outcome in ENDED_WELL else "FAILED")
    return client


def _log(client: MlflowClient, run_id: str, summary: Summary) -> None:
    from trainer.registry.tracking import log_metrics
    from trainer.summary.summary import SUMMARY_FILE

    client.log_text(run_id, summary.model_dump_json(indent=2), SUMMARY_FILE)
    if summary.metrics:
        log_metrics(client, run_id, {f"test_{name}": value for name, value in summary.metrics.items()})
    if summary.cost:
        log_metrics(client, run_id, summary.cost.metrics)
    for name, value in _tags(summary).items():
        client.set_tag(run_id, name, value)


def _log_judging(client: MlflowClient, run_id: str, run: RunFolder) -> None:
    """Log what the run rests on beyond the metrics of all test rows: its gates, and the drift of its columns."""
    from trainer.decision import read_decision
    from trainer.registry.run_metrics import drift_metrics, gate_metrics
    from trainer.registry.tracking import log_metrics

    decision, drift = read_decision(run), _drift(run)
    gates = gate_metrics(decision.gates) if decision else {}
    if found := gates | (drift_metrics(drift) if drift else {}):
        log_metrics(client, run_id, found)


def _drift(run: RunFolder) -> DriftResult | None:
    """Return the verdict on drift, also if it failed the run and so is not a result; None if there is none."""
    try:
        return DriftResult.model_validate_json(run.at("detect_drift").read_text(DRIFT))
    except FileNotFoundError:
        return None


def _tags(summary: Summary) -> dict[str, str]:
    """What the parent run is found by: its outcome, its winner and the data it rests on."""
    tags = {"outcome": summary.outcome, "reason": summary.reason[:LONGEST_REASON], "winner": summary.winner}
    tags |= {"rule": summary.rule}
    if summary.data:
        tags |= {**summary.data.tags, "data.source": summary.data.source, "data.digest": summary.data.digest}
    return {name: value for name, value in tags.items() if value}
