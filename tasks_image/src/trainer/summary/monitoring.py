"""A monitoring run as a few lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.number_format import number_text
from trainer.run.flow import MONITORING, RETRAIN
from trainer.run.records import (
    MonitorResult,
    ReadLabelsResult,
    ReadScoresResult,
    RetrainResult,
    StartMonitoringResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder
    from trainer.run.records import Interval, VersionLook


OUTCOMES = {
    "started": "a training run is started",
    "held_back": "asked for, and held back",
    "would_start": "asked for",
    "not_needed": "not started",
}
"""Words for a retraining, by the outcome of its step."""


def monitoring_lines(run: RunFolder) -> Iterator[str]:
    """Yield a few lines for each step that is done: rows, labels, and what was found of each version."""
    if start := run.at("start_monitoring").result_or_none(StartMonitoringResult):
        yield f"Scored rows: {start.output}, since {start.since}"
    if scores := run.at("read_scores").result_or_none(ReadScoresResult):
        new = sum(one.is_new for one in scores.runs)
        yield f"New: {scores.new_rows:,} rows of {new:,} scoring runs; {len(scores.runs) - new:,} were taken before"
        if scores.set_aside:
            yield f"Set aside: {len(scores.set_aside):,} scoring runs whose folder is gone"
    if labels := run.at("read_labels").result_or_none(ReadLabelsResult):
        yield (
            f"Labels: {labels.ids:,} ids; {labels.missing:,} missing, {labels.repeated:,} repeated, "
            f"{labels.contradicting:,} contradicting, {labels.never_scored:,} never scored"
        )
    if result := run.at("monitor").result_or_none(MonitorResult):
        for look in result.looks:
            yield from _of_version(look)
        yield from _retraining(run, result)
        yield f"Page: {result.page}"
    for step in MONITORING:
        if failure := run.at(step.name).failure():
            yield f"FAILED in {step.name}: {failure.error}: {failure.message}"
    yield f"Run folder: {run.at('').uri_of()}"


def _retraining(run: RunFolder, result: MonitorResult) -> Iterator[str]:
    acted = run.at(RETRAIN).result_or_none(RetrainResult)
    if acted is not None:
        yield f"Retraining: {OUTCOMES[acted.outcome]}: {acted.reason}"
    elif (decision := result.retraining) is not None:
        yield f"Retraining: {'asked for' if decision.retrain else OUTCOMES['not_needed']}: {decision.reason}"


def _of_version(look: VersionLook) -> Iterator[str]:
    yield f"{look.model} version {look.version}:"
    if look.not_looked_at:
        yield f"  not looked at: {look.not_looked_at}"
        return
    if look.drift_share is not None:
        drifted = sum(one.drifted for one in look.columns)
        answers = "" if look.answers is None else f"; its answers: {'drifted' if look.answers.drifted else 'stable'}"
        yield f"  Drift: {look.drift_status}, {drifted} of {len(look.columns)} inputs{answers}"
        estimate = look.no_estimate if look.estimate is None else _shown(look.estimate.auc_roc)
        yield f"  Estimated auc_roc (blind to concept drift): {estimate}"
    found = look.performance
    if found is None:
        yield f"  Labelled: {look.no_performance}"
        return
    yield f"  Labelled: {found.metric} {_shown(found.metrics[found.metric])} on {found.rows:,} rows"
    yield f"  At the promotion: {_shown(found.reference[found.metric])}; drop {_shown(found.drop, '+')}"


def _shown(one: Interval, sign: str = "") -> str:
    return f"{number_text(one.value, sign)} ({number_text(one.lower, sign)} to {number_text(one.upper, sign)})"
