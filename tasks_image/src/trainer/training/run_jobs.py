"""The training jobs of a run: an algorithm on the split that the run has made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.run.records import FeaturesResult, IngestResult, RefitResult, StartResult
from trainer.tables.handover import FEATURES, PART, PREDICTIONS, keyed

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import TrainResult
    from trainer.tables.training_table import SplitPart
    from trainer.training.job import TrainingJob


def training_job(pipeline: Pipeline, run: RunFolder, algorithm: str, params: dict[str, Any]) -> TrainingJob:
    """The job that trains an algorithm on the training rows; it registers nothing."""
    from trainer.pipeline import ParquetSource
    from trainer.tables.column_splitter import ColumnSplitter
    from trainer.training.estimators import model_for
    from trainer.training.job import TrainingJob
    from trainer.training.services import RunConfig

    features = run.at("engineer_features").result(FeaturesResult)
    ingest = run.at("ingest").result(IngestResult)
    table = run.at("engineer_features").uri_of(FEATURES)
    return TrainingJob(
        run_config=RunConfig(
            experiment=pipeline.registry.experiment,
            name=f"{pipeline.name}_{algorithm}",
            tags={
                **ingest.tags,
                "algorithm": algorithm,
                "data.source": ingest.source,
                "data.digest": ingest.digest,
            },
        ),
        problem=pipeline.problem,
        inputs=ParquetSource(uri=table, columns=[PART, *features.inputs, *features.for_features]),
        targets=ParquetSource(uri=table, columns=[pipeline.columns.target]),
        target=pipeline.columns.target,
        positive=pipeline.columns.positive,
        exclude=[PART, *features.for_features],
        features=pipeline.features,
        preprocess=pipeline.preprocess,
        model=model_for(pipeline.algorithms[algorithm], params),
        splitter=ColumnSplitter(column=PART),
        score_parts=("train", "validation"),
        seed=pipeline.tuning.seed,
    )


def fit_again(
    pipeline: Pipeline, run: RunFolder, algorithm: str, trained: TrainResult, learned: tuple[SplitPart, ...]
) -> RefitResult:
    """Fit a candidate's constants, imputers, encoders and estimator anew on the rows of some parts, and log the model.

    Its parameters and its cut-off stay: they were chosen on rows that it had not learned from.
    """
    from trainer.registry.tracking import child_run, connect
    from trainer.tables.parquet import write_table

    start = run.at("start").result(StartResult)
    features = run.at("engineer_features").result(FeaturesResult)
    client = connect()
    job = _anew(training_job(pipeline, run, algorithm, trained.params), run.step, learned, trained.cut_off)
    with child_run(client, client.get_run(start.run_id), run, job.run_config.name, job.run_config.tags):
        result = job.run()
    write_table(run, PREDICTIONS, keyed(run, result.outputs))
    return RefitResult(
        winner=algorithm,
        learned_from=list(learned),
        rows=sum(features.rows[part] for part in learned),
        run_id=result.run_id,
        model_id=result.model_id,
        model_uri=result.model_uri,
        model_digest=digest_of_model(result.model_uri),
        cut_off=result.cut_off,
        constants=dict(result.fitted.preparation.features.constants),
        predictions=run.uri_of(PREDICTIONS),
        keys=features.keys,
        keys_digest=features.keys_digest,
    )


def _anew(job: TrainingJob, step: str, learned: tuple[SplitPart, ...], cut_off: float | None) -> TrainingJob:
    config = job.run_config.model_copy(update={"name": f"{job.run_config.name}_{step}"})
    splitter = job.splitter.model_copy(update={"learned": learned})
    changes = {"run_config": config, "splitter": splitter, "score_parts": ("train",), "cut_off": cut_off}
    return job.model_copy(update=changes)


def digest_of_model(model_uri: str) -> str:
    """The SHA-256 of a logged model's files, as they are fetched for scoring."""
    from trainer.isolated.scoring import fetch_model
    from trainer.registry.origin import model_digest

    with tempfile.TemporaryDirectory() as scratch:
        return model_digest(Path(fetch_model(model_uri, Path(scratch) / "model")))
