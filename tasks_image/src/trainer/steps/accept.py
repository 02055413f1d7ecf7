"""Load the registered version in a process of its own and try it, before anything moves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError
from trainer.isolated.scoring import try_in_isolation
from trainer.modalities import modality_of
from trainer.problems import problem_of
from trainer.run.flow import last_fit
from trainer.run.records import AcceptResult, RefitResult, RegisterResult
from trainer.tables.handover import largest_difference, rows_of

if TYPE_CHECKING:
    from trainer.isolated.scoring import Tried
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> AcceptResult:
    """It has what serving needs, answers and behaves as in training, and keeps to the pipeline's limits.

    Raises ModelRefusedError naming everything that is broken.
    """
    import polars as pl

    from trainer.evaluation.acceptance import answers, as_expected, as_in_training, checks_of_use, refused
    from trainer.evaluation.behaviour import BehaviourTrials
    from trainer.isolated.records import unchanged_records

    registered = run.at("register").result(RegisterResult)
    fit = run.at(last_fit(pipeline.refit))
    rows, truth, keys = rows_of(pipeline, run, "validation")
    uri = f"models:/{registered.model}/{registered.version}"
    size, batch_rows = pipeline.scoring_batch, pipeline.acceptance.batch_rows
    trials = BehaviourTrials.of(pipeline, rows, modality_of(pipeline).change)
    with unchanged_records(run):
        asked, digest = pl.concat([rows, *trials.rows]), fit.result(RefitResult).model_digest
        tried = try_in_isolation(uri, asked, size, batch_rows, digest=digest)
    output = tried.output.head(rows.height)
    answered, predictions = answers(problem_of(pipeline.problem), truth, output, pipeline.columns.positive)
    checks = [answered, *checks_of_use(pipeline.acceptance, tried)]
    difference = 0.0
    if predictions is not None:
        difference = largest_difference(fit, keys, output)
        checks += [as_in_training(difference), *as_expected(pipeline.behaviour, trials.judge(tried.output))]
    for check in checks:
        logger.info("%s: %s", "passed" if check.passed else "FAILED", check.says)
    if reasons := refused(checks):
        raise ModelRefusedError(f"{uri} is not accepted: {reasons}. Nothing moves.")
    return _result(registered, tried, rows.height, difference)


def _result(registered: RegisterResult, tried: Tried, rows: int, difference: float) -> AcceptResult:
    return AcceptResult(
        model=registered.model,
        version=registered.version,
        rows=rows,
        largest_difference=difference,
        size_mb=tried.size_mb,
        latency_ms=tried.one_row.median_ms,
        latency_p99_ms=tried.one_row.p99_ms,
        batch_rows=tried.batch_rows,
        batch_latency_ms=tried.batch.median_ms,
        batch_latency_p99_ms=tried.batch.p99_ms,
        memory_mb=tried.memory_mb,
    )
