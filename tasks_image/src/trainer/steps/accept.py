"""Load the registered version in a process of its own and try it, before anything moves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError
from trainer.isolated.scoring import try_in_isolation
from trainer.run.results import AcceptResult, EvaluateResult, RegisterResult

if TYPE_CHECKING:
    from trainer.isolated.scoring import Tried
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> AcceptResult:
    """It has what serving needs, answers as in training, and keeps to the pipeline's limits.

    Raises ModelRefusedError naming everything that is broken.
    """
    from trainer.isolated.records import unchanged_records
    from trainer.models.acceptance import answers, as_in_training, checks_of_use, refused
    from trainer.steps.evaluate import largest_difference, rows_of

    registered = run.at("register").result(RegisterResult)
    evaluation = run.at("evaluate").result(EvaluateResult)
    rows, truth, keys = rows_of(pipeline, run, "validation")
    uri = f"models:/{registered.model}/{registered.version}"
    size, batch_rows = pipeline.run.batch_size, pipeline.acceptance.batch_rows
    with unchanged_records(run):
        tried = try_in_isolation(uri, rows, size, batch_rows, digest=evaluation.model_digest)
    answered, predictions = answers(pipeline.problem, truth, tried.output, pipeline.columns.positive)
    checks = [answered, *checks_of_use(pipeline.acceptance, tried)]
    difference = 0.0
    if predictions is not None:
        difference = largest_difference(run, evaluation.winner, keys, tried.output)
        checks.append(as_in_training(difference))
    for check in checks:
        logger.info("%s: %s", "passed" if check.passed else "FAILED", check.says)
    if reasons := refused(checks):
        raise ModelRefusedError(f"{uri} is not accepted: {reasons}. Nothing moves.")
    return _result(registered, tried, difference)


def _result(registered: RegisterResult, tried: Tried, difference: float) -> AcceptResult:
    return AcceptResult(
        model=registered.model,
        version=registered.version,
        rows=tried.output.height,
        largest_difference=difference,
        size_mb=tried.size_mb,
        latency_ms=tried.one_row.median_ms,
        latency_p99_ms=tried.one_row.p99_ms,
        batch_rows=tried.batch_rows,
        batch_latency_ms=tried.batch.median_ms,
        batch_latency_p99_ms=tried.batch.p99_ms,
        memory_mb=tried.memory_mb,
    )
