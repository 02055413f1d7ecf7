"""A deployment as a few lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.flow import DEPLOYMENT
from trainer.run.records import CanaryResult, ReleaseResult, StageResult, StartDeploymentResult, WatchResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder


def deployment_lines(run: RunFolder) -> Iterator[str]:
    """Yield one line for each step that is done: version, smoke test, part of the traffic, watch, release."""
    if start := run.at("start_deployment").result_or_none(StartDeploymentResult):
        named = f", the alias {start.alias} at {start.started_at}" if start.alias else ""
        yield f"Model: {start.model} version {start.version}{named}"
        yield f"Target: {start.target}; {f'version {start.before}' if start.before else 'no version'} was in service"
    if stage := run.at("stage").result_or_none(StageResult):
        yield (
            f"Smoke test: {stage.rows} rows answered like the registered model (largest difference "
            f"{stage.largest_difference:.3g}), one row in {stage.median_ms:.3g} ms (99th percentile {stage.p99_ms:.3g})"
        )
    if canary := run.at("canary").result_or_none(CanaryResult):
        rest = f", version {canary.main} the rest" if canary.main else ": no other version was in service"
        yield f"Canary: {canary.percent:g} % of the traffic{rest}"
    if watch := run.at("watch").result_or_none(WatchResult):
        yield f"Watched: {watch.minutes:.3g} minutes, {watch.requests} requests, beside {watch.requests_of_main}"
        yield from (f"  {'kept' if figure.kept else 'NOT KEPT'}: {figure.says}" for figure in watch.figures)
        yield from (f"  TAKEN BACK: {reason}" for reason in watch.reasons)
    if released := run.at("release").result_or_none(ReleaseResult):
        yield f"Released: version {released.version} has all traffic"
    for step in DEPLOYMENT:
        if failure := run.at(step.name).failure():
            yield f"FAILED in {step.name}: {failure.error}: {failure.message}"
    yield f"Run folder: {run.at('').uri_of()}"
