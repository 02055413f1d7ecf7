"""Give the version all traffic, or take it back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from trainer.environment import read_environment
from trainer.errors import ModelRefusedError
from trainer.run.records import CanaryResult, ReleaseResult, StageResult, StartDeploymentResult, WatchResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.deployment.target import Target
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> ReleaseResult:  # noqa: ARG001  (all steps are called alike)
    """Do as the watch found; after a step that failed, the version is taken back too.

    Raises ModelRefusedError if it was taken back, PromotionConflictError if the alias has moved, and what the target
    raises.
    """
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import refuse_moved

    start = run.at("start_deployment").result_or_none(StartDeploymentResult)
    if start is None:
        failure = run.at("start_deployment").failure()
        raise ModelRefusedError(
            f"nothing was deployed: {failure.message if failure else 'the deployment did not begin'}"
        )
    target = target_of(read_environment().serving, start.model)
    if reasons := list(_reasons(run)):
        why = "; ".join(reasons)
        _record(run, start, "taken back", why)
        said = _take_back(target, start.version, start.before)
        raise ModelRefusedError(
            f"{start.model} version {start.version} was taken back: {why}. {said}. The alias is as it was; "
            f"to let it name the version before too: trainer rollback {start.model} --from {start.version}"
        )
    refuse_moved(start)
    _record(run, start, "released")
    _release(target, start.version)
    _remove_others(target, start.version, start.before)
    logger.info("%s version %s has all traffic", start.model, start.version)
    return ReleaseResult(version=start.version, before=start.before, target=target.address)


def _record(
    run: RunFolder, start: StartDeploymentResult, outcome: Literal["released", "taken back"], why: str = ""
) -> None:
    from trainer.registry.deployment_history import Deployed, record_deployment
    from trainer.registry.tracking import connect

    deployed = Deployed(
        outcome=outcome, version=start.version, before=start.before, target=start.target, by=run.uri, why=why
    )
    record_deployment(connect(), start.model, deployed)


def _reasons(run: RunFolder) -> Iterator[str]:
    """Yield why the version does not get all traffic."""
    for step, kind in (("stage", StageResult), ("canary", CanaryResult), ("watch", WatchResult)):
        if run.at(step).result_or_none(kind) is None:
            failure = run.at(step).failure()
            yield f"the step {step} failed: {failure.message}" if failure else f"the step {step} was not done"
            return
    yield from run.at("watch").result(WatchResult).reasons


def _release(target: Target, version: str) -> None:
    from trainer.serving.traffic import WHOLE, Share

    target.divide((Share(version=version, percent=WHOLE),), target.state().revision)


def _take_back(target: Target, version: str, before: str) -> str:
    """Give the traffic to the version before, end the new one, and say what is in service."""
    served = target.state()
    if before == version:
        return f"Version {version} was in service before, and stays"
    if served.percent_of(version):
        if not before:
            return f"No other version was in service, so version {version} keeps the traffic"
        _release(target, before)
    if version in served.running:
        target.remove(version)
    main = target.state().main
    return f"Version {main} has all traffic" if main else "No version has traffic"


def _remove_others(target: Target, version: str, before: str) -> None:
    """End versions of earlier deployments; the one before stays, for a way back in no time."""
    for other in target.state().running:
        if other not in (version, before):
            target.remove(other)
