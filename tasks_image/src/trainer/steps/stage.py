"""Let the version run without traffic, and try it with real rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import ModelRefusedError
from trainer.run.records import StageResult, StartDeploymentResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> StageResult:
    """Start the version in the target, and compare its answers to real rows with those of the registered model.

    Raises ModelRefusedError if an answer is another one, or takes too long, and what the target raises.
    """
    from trainer.deployment.smoke import smoke_test
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import deployed_version, rules_of, smoke_rows
    from trainer.isolated.records import unchanged_records
    from trainer.isolated.scoring import score_in_isolation

    start = run.at("start_deployment").result(StartDeploymentResult)
    rules = rules_of(pipeline)
    target = target_of(read_environment().serving, start.model)
    rows = smoke_rows(deployed_version(pipeline, start.version), rules.smoke_rows)
    with unchanged_records(run):
        uri = f"models:/{start.model}/{start.version}"
        expected = score_in_isolation(uri, rows, digest=start.model_digest).output
    target.start(start.version, start.model_digest)
    tested = smoke_test(target, start.version, rows, expected)
    logger.info(
        "version %s answers %d rows like the registered model (largest difference %.3g), one in %.3g ms",
        start.version, rows.height, tested.largest_difference, tested.median_ms,
    )  # fmt: skip
    if tested.median_ms > rules.limits.latency_ms:
        raise ModelRefusedError(
            f"{start.model} version {start.version} takes {tested.median_ms:.3g} ms to answer a request with one row; "
            f"`deployment.limits.latency_ms` is {rules.limits.latency_ms:g}"
        )
    return StageResult(
        rows=rows.height,
        rows_from=f"test rows of {start.training_run}",
        largest_difference=tested.largest_difference,
        median_ms=tested.median_ms,
        p99_ms=tested.p99_ms,
    )
