"""The mail that monitoring starts a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.mail.content import Mail
from trainer.number_format import number_text
from trainer.run.records import MonitorResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import LookEvidence, RetrainResult


def retraining_mail(pipeline: Pipeline, run: RunFolder, result: RetrainResult) -> Mail:
    """Return the mail; `run` is the run folder of the look."""
    look = run.at("monitor").result_or_none(MonitorResult)
    return Mail(
        tone="neutral",
        pipeline=pipeline.name,
        headline="Monitoring starts a training run",
        reasons=[result.reason],
        next_step="Nothing has to be done: the run's own mail says if the new model is promoted. Until then production "
        "answers as before; a bad version can be rolled back (`trainer rollback`).",
        facts=list(_facts(result)),
        gates=[],
        candidates=[],
        links=[*([("Page of the look", look.page)] if look else []), ("Run folder", run.at("").uri_of())],
    )


def _facts(result: RetrainResult) -> Iterator[tuple[str, str]]:
    decision = result.decision
    if (production := decision.production) is not None:
        since = f", production since {production.since[:16].replace('T', ' ')} UTC" if production.since else ""
        yield "Model", f"{production.model} version {production.version}{since}"
    for look in decision.evidence:
        counted = "counts" if look.look in decision.counted else "does not count"
        yield f"Look of {look.started_at[:16].replace('T', ' ')} UTC", f"{counted}; {_figures(look)}"


def _figures(look: LookEvidence) -> str:
    drop = (
        "no labels judged"
        if look.performance_drop is None
        else f"drop {number_text(look.performance_drop, '+')}, at 99 % above {number_text(look.drop_bound, '+')}"
    )
    drift = "no new rows" if look.drift_share is None else f"{look.drift_share:.0%} of the inputs drifted"
    return f"{drop}; {drift}"
