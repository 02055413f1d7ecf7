"""Train one algorithm with the parameters found, and log it as a candidate."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from trainer.errors import ModelTrainingError
from trainer.modalities import modality_of
from trainer.run.records import FeaturesResult, StartResult, TrainResult, TuneResult
from trainer.tables.handover import PREDICTIONS, keyed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.training.job import TrainingResult

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
ROUNDING = 1e-9
"""Relative."""


def run(pipeline: Pipeline, run: RunFolder) -> TrainResult:
    """Build the training job of this run and algorithm, and do it on the run's rows, below the parent MLflow run."""
    from trainer.registry.tracking import child_run, connect
    from trainer.tables.parquet import write_table
    from trainer.training.run_jobs import rows_of_run

    start = run.at("start").result(StartResult)
    tuned = run.at("tune", run.algorithm).result(TuneResult)
    client = connect()
    began = time.monotonic()
    job = modality_of(pipeline).job(pipeline, run, run.algorithm, tuned.params)
    with child_run(client, client.get_run(start.run_id), run, job.run_config.name, job.run_config.tags):
        result = job.run_on(rows_of_run(pipeline, run))
        _log_tuning(tuned)
        _check_constants(run, result)
    write_table(run, PREDICTIONS, keyed(run, result.outputs))
    _log_record(pipeline, run, result, time.monotonic() - began)
    return TrainResult(
        algorithm=run.algorithm,
        run_id=result.run_id,
        model_id=result.model_id,
        model_uri=result.model_uri,
        params=tuned.params,
        metrics=result.metrics["validation"],
        train_metrics=result.metrics["train"],
        cut_off=result.cut_off,
        predictions=run.uri_of(PREDICTIONS),
    )


def _log_tuning(tuned: TuneResult) -> None:
    import mlflow

    cost = {} if tuned.cost_usd is None else {"cost_tuning_usd": tuned.cost_usd}
    figures = {f"cv_{tuned.metric}": tuned.cv_mean, f"cv_{tuned.metric}_std": tuned.cv_std, **cost}
    mlflow.log_metrics({name: value for name, value in figures.items() if value is not None})
    if tuned.study:
        mlflow.set_tags({"study": tuned.study, "study_trials": str(tuned.trials)})


def _log_record(pipeline: Pipeline, run: RunFolder, result: TrainingResult, seconds: float) -> None:
    """One structured line per trained model, for a log store; the figures are those of the validation rows."""
    record = {
        "model_name": f"{pipeline.registry.model}/{run.algorithm}",
        **result.metrics["validation"],
        "training_time_minutes": round(seconds / SECONDS_PER_MINUTE, 3),
        "data_size": run.at("engineer_features").result(FeaturesResult).rows["train"],
    }
    logger.info("model trained", extra=record)


def _same(fitted: Mapping[str, object], written: Mapping[str, object]) -> bool:
    """Compare constants; a sum over the same rows in another order differs in its last digits."""
    return fitted.keys() == written.keys() and all(
        math.isclose(value, other, rel_tol=ROUNDING)
        if isinstance(value, float) and isinstance(other, float)
        else value == other
        for value, other in ((value, written[name]) for name, value in fitted.items())
    )


def _check_constants(run: RunFolder, result: TrainingResult) -> None:
    """The constants fitted here must be those of the written features: both come from the same training rows."""
    written = run.at("engineer_features").result(FeaturesResult).constants
    fitted = dict(result.fitted.preparation.constants)
    if not _same(fitted, written):
        raise ModelTrainingError(f"feature constants differ between features ({written}) and training ({fitted})")
