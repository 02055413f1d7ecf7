"""Load the registered version in a process of its own and try it, before anything moves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError
from trainer.isolated.scoring import score_in_isolation
from trainer.run.results import AcceptResult, EvaluateResult, RegisterResult

if TYPE_CHECKING:
    from trainer.isolated.scoring import Scored
    from trainer.pipeline import Acceptance, Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> AcceptResult:
    """Its predictions equal those of training, are finite and in range, and it keeps to the pipeline's limits.

    Raises ModelRefusedError naming each limit that is broken.
    """
    from trainer.models.outputs import predictions_of
    from trainer.steps.evaluate import LARGEST_DIFFERENCE, largest_difference, rows_of

    registered = run.at("register").result(RegisterResult)
    winner = run.at("evaluate").result(EvaluateResult).winner
    rows, truth, keys = rows_of(pipeline, run, "validation")
    uri = f"models:/{registered.model}/{registered.version}"
    scored = score_in_isolation(uri, rows, pipeline.run.batch_size)
    predictions_of(pipeline.problem, truth, scored.output, pipeline.columns.positive)
    difference = largest_difference(run, winner, keys, scored.output)
    broken = _broken(pipeline.acceptance, scored)
    if difference > LARGEST_DIFFERENCE:
        broken.append(f"predictions differ from those of training by up to {difference:.3g}")
    if broken:
        raise ModelRefusedError(f"{uri} is not accepted: {'; '.join(broken)}. Nothing moves.")
    logger.info(
        "%s answers as in training: %d rows, %.1f MB, %.1f ms for one row, %.0f MB of memory",
        uri,
        rows.height,
        scored.size_mb,
        scored.latency_ms,
        scored.memory_mb,
    )
    return AcceptResult(
        model=registered.model,
        version=registered.version,
        rows=rows.height,
        largest_difference=difference,
        size_mb=scored.size_mb,
        latency_ms=scored.latency_ms,
        memory_mb=scored.memory_mb,
    )


def _broken(limits: Acceptance, scored: Scored) -> list[str]:
    """What exceeds its limit, each as a sentence."""
    asked = [
        ("size", scored.size_mb, limits.max_size_mb, "MB"),
        ("time to predict one row", scored.latency_ms, limits.max_latency_ms, "ms"),
        ("peak memory", scored.memory_mb, limits.max_memory_mb, "MB"),
    ]
    return [
        f"{name} is {value:.1f} {unit}, the limit is {limit:g} {unit}"
        for name, value, limit, unit in asked
        if limit is not None and value > limit
    ]
