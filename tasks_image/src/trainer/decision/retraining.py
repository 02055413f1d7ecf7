"""Decide if looks at scored rows ask for a training run: figures and limits in, verdict out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from trainer.errors import ConfigurationError
from trainer.number_format import number_text
from trainer.run.records import MonitorResult, RetrainingDecision, RetrainResult, StartMonitoringResult
from trainer.run.trigger import Trigger, drop_trigger, keep_trigger, last_trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.pipeline import ConditionName, Pipeline, Retrain
    from trainer.run import RunFolder
    from trainer.run.records import LookEvidence, Production

logger = logging.getLogger(__name__)


def decide_retraining(
    rule: Retrain,
    evidence: Sequence[LookEvidence],
    *,
    production: Production | None,
    last: Trigger | None,
    now: str,
) -> RetrainingDecision:
    """Return if the looks ask for a training run, and the reason.

    :param evidence: looks at `production` since it became production, oldest first; of other looks nothing may count
    :param last: the last request of monitoring: looks up to that one have had their effect
    :param now: ISO 8601, UTC
    """
    fresh = [look for look in evidence if last is None or look.started_at > last.look_started_at]

    def decided(
        reason: str, *, retrain: bool = False, condition: str = "", counted: Sequence[str] = ()
    ) -> RetrainingDecision:
        return RetrainingDecision(
            retrain=retrain, condition=condition, reason=reason, production=production, evidence=list(evidence),
            counted=list(counted),
        )  # fmt: skip

    if production is None:
        return decided("no version is production")
    votes = {name: _vote(rule, name, limit, fresh) for name, limit in rule.when.limits.items()}
    held = next((name for name, (_, counted) in votes.items() if len(counted) >= rule.at_least), None)
    if held is None:
        return decided("; ".join(_text(rule, name, *vote) for name, vote in votes.items()))
    measured, counted = votes[held]
    keys, text = [look.look for look in counted], _text(rule, held, measured, counted)
    if until := _cooldown(rule, production, last, now):
        return decided(f"{text}, and until {until} no training run is started again", condition=held, counted=keys)
    return decided(text, retrain=True, condition=held, counted=keys)


def decide_look(pipeline: Pipeline, run: RunFolder) -> RetrainingDecision:
    """Return the decision of a finished look, with the last request as it is known now.

    Raises ConfigurationError if the pipeline has no section `retrain`, StepNotDoneError if the look is not finished.
    """
    if pipeline.retrain is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `retrain`: nothing says when to train again")
    start, look = run.at("start_monitoring").result(StartMonitoringResult), run.at("monitor").result(MonitorResult)
    known = look.retraining
    return decide_retraining(
        pipeline.retrain,
        known.evidence if known else [],
        production=look.production,
        last=last_trigger(run),
        now=start.started_at,
    )


def retrain_by_hand(pipeline: Pipeline, run: RunFolder) -> RetrainResult:
    """Return what the look asks for; without a scheduler nothing is started, and the looks count again."""
    decision = decide_look(pipeline, run)
    if not decision.retrain:
        return RetrainResult(outcome="not_needed", reason=decision.reason, decision=decision)
    reason = (
        f"{decision.reason}: a scheduler would start a training run; without one, start it yourself "
        f"(`make run PIPELINE={pipeline.name}`)"
    )
    return RetrainResult(outcome="would_start", reason=reason, decision=decision)


class Scheduler(Protocol):
    """The questions that only Airflow can answer."""

    def has_event(self, look: str) -> bool:
        """Return True if Airflow has got the request of a look."""

    def busy(self, folder: RunFolder) -> str:
        """Return the reason for which no training run can start now; empty if one can."""


def ask_for_training(pipeline: Pipeline, run: RunFolder, scheduler: Scheduler) -> RetrainResult:
    """Decide, and write down the request for a training run before the caller sends it.

    A request that Airflow has never got, because the task was killed before, does not count: its looks count again.
    One that it has got is not sent again, however often the task is repeated.
    """
    asked = _known_to(scheduler, run)
    if asked is not None and asked.look == run.key:
        earlier = run.at("monitor").result(MonitorResult).retraining or decide_look(pipeline, run)
        return RetrainResult(
            outcome="started", sends_event=False, decision=earlier,
            reason=f"an earlier try of this task has asked for a training run at {asked.asked_at}: {earlier.reason}",
        )  # fmt: skip
    decision = decide_look(pipeline, run)
    if not decision.retrain:
        return RetrainResult(outcome="not_needed", reason=decision.reason, decision=decision)
    if why := scheduler.busy(run):
        reason = f"{decision.reason}, and no training run can start: {why}. The next look tries again"
        return RetrainResult(outcome="held_back", reason=reason, decision=decision)
    started = run.at("start_monitoring").result(StartMonitoringResult).started_at
    now = datetime.now(UTC).isoformat(timespec="seconds")
    keep_trigger(run, Trigger(look=run.key, look_started_at=started, asked_at=now))
    logger.info("a training run is asked for: %s", decision.reason)
    return RetrainResult(outcome="started", reason=decision.reason, decision=decision)


def _known_to(scheduler: Scheduler, run: RunFolder) -> Trigger | None:
    """Return the last request, if Airflow has got it; a request that it has not got is removed."""
    last = last_trigger(run)
    if last is None or last.confirmed:
        return last
    if scheduler.has_event(last.look):
        confirmed = last.model_copy(update={"confirmed": True})
        keep_trigger(run, confirmed)
        return confirmed
    logger.warning("Airflow has not got the request of the look %s: its looks count again", last.look)
    drop_trigger(run)
    return None


def counts(look: LookEvidence, condition: ConditionName, limit: float) -> bool:
    """Return True if a look is evidence for a condition."""
    if condition == "drift_share":
        return look.drift_share is not None and look.drift_share >= limit
    drop, bound = look.performance_drop, look.drop_bound
    return drop is not None and bound is not None and drop >= limit and bound > 0


def trimmed(rule: Retrain, evidence: Sequence[LookEvidence]) -> list[LookEvidence]:
    """Return the looks that can count for some condition, oldest first."""
    newest = [_measured(rule, name, evidence) for name in rule.when.limits]
    kept = {look.look for looks in newest for look in looks}
    return [look for look in evidence if look.look in kept]


def _measured(rule: Retrain, condition: ConditionName, evidence: Sequence[LookEvidence]) -> list[LookEvidence]:
    """Return the newest looks that have a figure for a condition: late labels must not push others out."""
    return [look for look in evidence if getattr(look, condition) is not None][-rule.looks :]


def _vote(
    rule: Retrain, condition: ConditionName, limit: float, fresh: Sequence[LookEvidence]
) -> tuple[list[LookEvidence], list[LookEvidence]]:
    measured = _measured(rule, condition, fresh)
    return measured, [look for look in measured if counts(look, condition, limit)]


def _cooldown(rule: Retrain, production: Production, last: Trigger | None, now: str) -> str:
    """Return the end of the days in which nothing is started, or an empty string once they are over."""
    since = [moment for moment in (production.since, last.asked_at if last else "") if moment]
    if not since:
        return ""
    end = max(map(datetime.fromisoformat, since)) + timedelta(days=rule.cooldown_days)
    return f"{end:%Y-%m-%d %H:%M} UTC" if datetime.fromisoformat(now) < end else ""


def _text(
    rule: Retrain, condition: ConditionName, measured: Sequence[LookEvidence], counted: Sequence[LookEvidence]
) -> str:
    """Return a condition's figures as `2 of 3 looks count for performance_drop >= 0.02 (+0.031, +0.028); …`."""
    limit = rule.when.limits[condition]
    sign = "+" if condition == "performance_drop" else ""
    figures = ", ".join(number_text(getattr(look, condition), sign) for look in counted)
    shown = f" ({figures})" if figures else ""
    needed = "" if len(counted) >= rule.at_least else f", {rule.at_least} of {rule.looks} needed"
    return f"{len(counted)} of {len(measured)} looks count for {condition} >= {number_text(limit)}{shown}{needed}"
