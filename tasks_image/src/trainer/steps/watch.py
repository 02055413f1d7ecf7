"""Watch the version while it has a part of the traffic."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import PromotionConflictError
from trainer.run.records import CanaryResult, StartDeploymentResult, WatchResult

if TYPE_CHECKING:
    from trainer.deployment.target import Target
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import WatchedFigure

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0
LOOKS_BETWEEN_LINES = 12
SECONDS_PER_MINUTE = 60


def run(pipeline: Pipeline, run: RunFolder) -> WatchResult:
    """Look every few seconds until a limit is passed or the time is over; the verdict is carried out by `release`.

    The target counts time and requests, so that a watch that was killed goes on where it was.
    Raises PromotionConflictError if the traffic was divided otherwise meanwhile.
    """
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import refuse_moved, rules_of
    from trainer.deployment.watch import verdict

    start = run.at("start_deployment").result(StartDeploymentResult)
    canary = run.at("canary").result(CanaryResult)
    if not canary.main:
        return WatchResult(verdict="release", reasons=[], minutes=0, requests=0, requests_of_main=0, figures=[])
    rules, target, looks = rules_of(pipeline), target_of(read_environment().serving, start.model), 0
    classes = pipeline.problem == "multiclass_classification"
    while True:
        refuse_moved(start)
        gone = _refuse_other_division(target, start, canary)
        seen, main = target.observations(start.version), target.observations(canary.main)
        found = verdict(rules, seen, main, answers_are_classes=classes)
        reasons = [*gone, *found.take_back]
        minutes = seen.seconds / SECONDS_PER_MINUTE
        if reasons or found.is_over:
            break
        if looks % LOOKS_BETWEEN_LINES == 0:
            logger.info(
                "%.1f of %g minutes, %d requests: %s", minutes, rules.canary_minutes, seen.counted, _said(found.figures)
            )
        looks += 1
        time.sleep(min(SECONDS_BETWEEN_LOOKS, max(0.1, rules.canary_minutes * SECONDS_PER_MINUTE - seen.seconds)))
    for line in reasons or [_said(found.figures)]:
        logger.info("%s: %s", "taken back" if reasons else "released", line)
    return WatchResult(
        verdict="take back" if reasons else "release",
        reasons=reasons,
        minutes=minutes,
        requests=seen.counted,
        requests_of_main=main.counted,
        figures=found.figures,
    )


def _refuse_other_division(target: Target, start: StartDeploymentResult, canary: CanaryResult) -> list[str]:
    """Return why the version is taken back at once: its process has ended. Raises PromotionConflictError."""
    served = target.state()
    if served.main != canary.main or served.percent_of(start.version) != canary.percent:
        now = ", ".join(f"version {share.version}: {share.percent:g} %" for share in served.shares) or "no version"
        raise PromotionConflictError(
            f"{start.model}: somebody has divided the traffic otherwise ({now}; this run gave version {start.version} "
            f"{canary.percent:g} %); start a new run"
        )
    return [] if served.running.get(start.version) else [f"the process of version {start.version} has ended"]


def _said(figures: list[WatchedFigure]) -> str:
    return "; ".join(figure.says for figure in figures)
