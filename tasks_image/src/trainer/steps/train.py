"""Train one algorithm with the parameters found, and log it as a candidate."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelTrainingError
from trainer.run.results import FeaturesResult, IngestResult, StartResult, TrainResult, TuneResult

if TYPE_CHECKING:
    import polars as pl

    from trainer.jobs.training import TrainingJob, TrainingResult
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

PREDICTIONS = "predictions.parquet"
SECONDS_PER_MINUTE = 60


def run(pipeline: Pipeline, run: RunFolder) -> TrainResult:
    """Build the training job of this run and algorithm, and run it below the parent MLflow run."""
    from trainer.data.tables import write_table
    from trainer.tracking import child_run, connect

    start = run.at("start").result(StartResult)
    tuned = run.at("tune", run.algorithm).result(TuneResult)
    client = connect()
    began = time.monotonic()
    job = training_job(pipeline, run, tuned.params)
    with child_run(client, client.get_run(start.run_id), run, job.run_config.name, job.run_config.tags):
        result = job.run()
        _log_tuning(tuned)
        _check_constants(run, result)
    write_table(run, PREDICTIONS, _keyed(run, result.outputs))
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


def training_job(pipeline: Pipeline, run: RunFolder, params: dict[str, Any]) -> TrainingJob:
    """The job that trains this run's algorithm on the split that the run has made; it registers nothing."""
    from trainer.jobs.models import model_for
    from trainer.jobs.parts import ColumnSplitter
    from trainer.jobs.readers import ParquetReader
    from trainer.jobs.services import RunConfig
    from trainer.jobs.training import TrainingJob
    from trainer.steps.engineer_features import FEATURES, PART

    features = run.at("engineer_features").result(FeaturesResult)
    ingest = run.at("ingest").result(IngestResult)
    table = run.at("engineer_features").uri_of(FEATURES)
    return TrainingJob(
        run_config=RunConfig(
            experiment=pipeline.registry.experiment,
            name=f"{pipeline.name}_{run.algorithm}",
            tags={
                **ingest.tags,
                "algorithm": run.algorithm,
                "data.source": ingest.source,
                "data.digest": ingest.digest,
            },
        ),
        problem=pipeline.problem,
        inputs=ParquetReader(uri=table, columns=[PART, *features.inputs, *features.for_features]),
        targets=ParquetReader(uri=table, columns=[pipeline.columns.target]),
        target=pipeline.columns.target,
        positive=pipeline.columns.positive,
        exclude=[PART, *features.for_features],
        features=pipeline.features,
        preprocess=pipeline.preprocess,
        model=model_for(pipeline.algorithms[run.algorithm], params),
        splitter=ColumnSplitter(column=PART),
        score_parts=("train", "validation"),
        seed=pipeline.tuning.seed,
    )


def _log_tuning(tuned: TuneResult) -> None:
    import mlflow

    cost = {} if tuned.cost_usd is None else {"cost_tuning_usd": tuned.cost_usd}
    mlflow.log_metrics({f"cv_{tuned.metric}": tuned.cv_mean, f"cv_{tuned.metric}_std": tuned.cv_std, **cost})
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


def _check_constants(run: RunFolder, result: TrainingResult) -> None:
    """The constants fitted here must be those of the written features: both come from the same training rows."""
    written = run.at("engineer_features").result(FeaturesResult).constants
    fitted = dict(result.fitted.preparation.features.constants)
    if fitted != written:
        raise ModelTrainingError(f"feature constants differ between features ({written}) and training ({fitted})")


def _keyed(run: RunFolder, outputs: pl.DataFrame) -> pl.DataFrame:
    """The model's outputs with the key and the part of each row."""
    import polars as pl

    from trainer.data.tables import read_table
    from trainer.steps.engineer_features import FEATURES, KEY, PART

    table = read_table(run.at("engineer_features"), FEATURES, [KEY, PART])
    places = outputs["__row__"]
    return pl.concat([table[places], outputs.drop("__row__")], how="horizontal")
