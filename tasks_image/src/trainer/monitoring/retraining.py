"""The figures of a pipeline's looks by which a retraining is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision.retraining import decide_retraining, trimmed
from trainer.run.records import LookEvidence, MonitorResult, Production, StartMonitoringResult
from trainer.run.trigger import last_trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import VersionLook


def production_now(model: str) -> Production | None:
    """Return the version that is production, and since when; None if none is."""
    from trainer.registry.history import history_of
    from trainer.registry.tracking import connect
    from trainer.registry.versions import PRODUCTION, version_of

    client = connect()
    found = version_of(client, model, PRODUCTION)
    if found is None:
        return None
    moves = [move for move in history_of(client, model) if move.completed and move.kind != "release"]
    since = moves[-1].at if moves and moves[-1].version == str(found.version) else ""
    return Production(model=model, version=str(found.version), since=since)


def judge_looks(
    pipeline: Pipeline, run: RunFolder, result: MonitorResult, earlier: Sequence[RunFolder]
) -> MonitorResult:
    """Return a look's result with production and the decision about a retraining, if the pipeline has `retrain`.

    :param earlier: the run folders of the looks before, oldest first
    """
    if pipeline.retrain is None:
        return result
    start = run.at("start_monitoring").result(StartMonitoringResult)
    known = result.model_copy(update={"production": production_now(result.newest.model)})
    looks = [*_finished(earlier), (run.key, start.started_at, known)]
    evidence = trimmed(pipeline.retrain, [*_of_production(looks, known.production)])
    decision = decide_retraining(
        pipeline.retrain, evidence, production=known.production, last=last_trigger(run), now=start.started_at
    )
    return known.model_copy(update={"retraining": decision})


def _finished(earlier: Sequence[RunFolder]) -> Iterator[tuple[str, str, MonitorResult]]:
    for run in earlier:
        start = run.at("start_monitoring").result_or_none(StartMonitoringResult)
        result = run.at("monitor").result_or_none(MonitorResult)
        if start is not None and result is not None:
            yield run.key, start.started_at, result


def _of_production(
    looks: Sequence[tuple[str, str, MonitorResult]], production: Production | None
) -> list[LookEvidence]:
    """Return the figures of the looks since production became production, oldest first.

    Looks from before count no more, not even if a rollback has brought the version back.
    """
    found = []
    for key, started_at, result in reversed(looks):
        if production is None or result.production != production:
            break
        own = next((look for look in result.looks if _is_of(look, production)), None)
        if own is not None and started_at >= production.since:
            found.append(_evidence(key, started_at, own))
    return found[::-1]


def _is_of(look: VersionLook, production: Production) -> bool:
    return (look.model, look.version) == (production.model, production.version) and not look.not_looked_at


def _evidence(key: str, started_at: str, look: VersionLook) -> LookEvidence:
    found = look.performance
    return LookEvidence(
        look=key,
        started_at=started_at,
        performance_drop=found.drop.value if found else None,
        drop_bound=found.drop_bound if found else None,
        drift_share=look.drift_share,
    )
