"""The training jobs of a run: an algorithm on the split that the run has made."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.run.records import FeaturesResult, IngestResult, RefitResult, StartResult
from trainer.tables.handover import FEATURES, PART, PREDICTIONS, keyed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import TrainResult
    from trainer.tables.training_table import SplitPart
    from trainer.training.job import Job, SplitRows


def common_fields(pipeline: Pipeline, run: RunFolder, algorithm: str) -> dict[str, Any]:
    """What a job that trains an algorithm in a run says, whatever its rows are; it registers nothing."""
    from trainer.training.services import RunConfig

    ingest = run.at("ingest").result(IngestResult)
    tags = {"algorithm": algorithm, "data.source": ingest.source, "data.digest": ingest.digest}
    return {
        "run_config": RunConfig(
            experiment=pipeline.registry.experiment,
            name=f"{pipeline.name}_{algorithm}",
            tags={**ingest.tags, **tags},
        ),
        "problem": pipeline.problem,
        "target": pipeline.columns.target,
        "positive": pipeline.columns.positive,
        "cut_off": pipeline.cut_off,
        "score_parts": ("train", "validation"),
        "seed": pipeline.tuning.seed,
    }


@contextlib.contextmanager
def rows_of_run(pipeline: Pipeline, run: RunFolder, learned: tuple[SplitPart, ...] = ()) -> Iterator[SplitRows]:
    """Yield the rows that the run has split, to be read in the block; those of the parts `learned` as training rows."""
    from trainer.sources.reading import Lineage
    from trainer.tables.job_splits import ColumnSplit, parts_of
    from trainer.tables.row_subset import open_table
    from trainer.tables.training_table import TrainingTable, targets_in
    from trainer.training.job import SplitRows

    engineered = run.at("engineer_features")
    features = engineered.result(FeaturesResult)
    lineage = Lineage(engineered.uri_of(FEATURES), "parquet", datetime.now(UTC))
    with engineered.local(FEATURES) as file:
        rows = open_table(file)
        parts = parts_of(ColumnSplit(column=PART, learned=learned), rows, None, None)
        inputs = rows.select(*features.inputs, *features.for_features)
        yield SplitRows(TrainingTable(inputs, targets_in(rows, pipeline.columns.target), parts), lineage, lineage)


def fit_again(
    pipeline: Pipeline, run: RunFolder, job: Job, trained: TrainResult, learned: tuple[SplitPart, ...]
) -> RefitResult:
    """Fit a candidate's constants, imputers, encoders and estimator anew on the rows of some parts, and log the model.

    Its parameters and its cut-off stay: they were chosen on rows that it had not learned from.
    """
    from trainer.registry.tracking import child_run, connect
    from trainer.tables.parquet import write_table

    start = run.at("start").result(StartResult)
    features = run.at("engineer_features").result(FeaturesResult)
    client = connect()
    job = _anew(job, run.step, trained.cut_off)
    with child_run(client, client.get_run(start.run_id), run, job.run_config.name, job.run_config.tags):
        result = job.run_on(rows_of_run(pipeline, run, learned))
    write_table(run, PREDICTIONS, keyed(run, result.outputs))
    return RefitResult(
        winner=trained.algorithm,
        learned_from=list(learned),
        rows=sum(features.rows[part] for part in learned),
        run_id=result.run_id,
        model_id=result.model_id,
        model_uri=result.model_uri,
        model_digest=digest_of_model(result.model_uri),
        cut_off=result.cut_off,
        constants=dict(result.fitted.preparation.constants),
        predictions=run.uri_of(PREDICTIONS),
        keys=features.keys,
        keys_digest=features.keys_digest,
    )


def _anew(job: Job, step: str, cut_off: float | None) -> Job:
    config = job.run_config.model_copy(update={"name": f"{job.run_config.name}_{step}"})
    return job.model_copy(update={"run_config": config, "score_parts": ("train",), "cut_off": cut_off})


def digest_of_model(model_uri: str) -> str:
    """The SHA-256 of a logged model's files, as they are fetched for scoring."""
    from trainer.isolated.scoring import fetch_model
    from trainer.registry.origin import model_digest

    with tempfile.TemporaryDirectory() as scratch:
        return model_digest(Path(fetch_model(model_uri, Path(scratch) / "model")))
