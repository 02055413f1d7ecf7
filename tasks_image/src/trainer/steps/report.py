"""Close the run's record: its summary, and every MLflow run it opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.run.records import ReportResult, StartResult
from trainer.summary.summary import build_summary, write_summary

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.summary.summary import Summary

logger = logging.getLogger(__name__)

ENDED_WELL = ("promoted", "registered", "kept")


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
    """What the decision rests on beyond the metrics of all test rows: figures of segments, changes of behaviour."""
    from trainer.decision import read_decision
    from trainer.registry.tracking import log_metrics, metric_names

    decision = read_decision(run)
    gates = [gate for gate in (decision.gates if decision else []) if gate.kind in {"slice", "behaviour"}]
    names = metric_names(f"slice {gate.name}" if gate.kind == "slice" else gate.name for gate in gates)
    figures = {name: gate.value for name, gate in zip(names, gates, strict=True) if gate.value is not None}
    if figures:
        log_metrics(client, run_id, figures)


def _tags(summary: Summary) -> dict[str, str]:
    """What the parent run is found by: its outcome, its winner and the data it rests on."""
    tags = {"outcome": summary.outcome, "winner": summary.winner}
    if summary.data:
        tags |= {**summary.data.tags, "data.source": summary.data.source, "data.digest": summary.data.digest}
    return {name: value for name, value in tags.items() if value}
