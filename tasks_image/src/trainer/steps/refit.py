"""Choose the winner on validation rows, and fit it once more on training and validation rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.modalities import modality_of
from trainer.run.records import FeaturesResult, RefitResult, TrainResult
from trainer.tables.handover import PREDICTIONS

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> RefitResult:
    """The winner by the tuning metric on validation rows, fitted on these as well unless `refit: none`.

    It is the model that is judged from here on.
    """
    from trainer.training.run_jobs import fit_again

    candidates = {name: run.at("train", name).result(TrainResult) for name in pipeline.selected_algorithms}
    winner = _winner(pipeline, candidates)
    if pipeline.refit == "none":
        return _as_trained(run, winner, candidates[winner])
    trained = candidates[winner]
    job = modality_of(pipeline).job(pipeline, run, winner, trained.params)
    return fit_again(pipeline, run, job, trained, ("train", "validation"))


def _winner(pipeline: Pipeline, candidates: dict[str, TrainResult]) -> str:
    metric = pipeline.tuning.metric
    sign = 1 if pipeline.greater_is_better else -1
    winner = max(candidates, key=lambda name: sign * candidates[name].metrics[metric])
    logger.info("%s wins with validation %s %.4f", winner, metric, candidates[winner].metrics[metric])
    return winner


def _as_trained(run: RunFolder, winner: str, trained: TrainResult) -> RefitResult:
    """The winner as `train` has fitted it, its predictions beside this step's record."""
    from trainer.tables.parquet import read_table, write_table
    from trainer.training.run_jobs import digest_of_model

    features = run.at("engineer_features").result(FeaturesResult)
    write_table(run, PREDICTIONS, read_table(run.at("train", winner), PREDICTIONS))
    return RefitResult(
        winner=winner,
        learned_from=["train"],
        rows=features.rows["train"],
        run_id=trained.run_id,
        model_id=trained.model_id,
        model_uri=trained.model_uri,
        model_digest=digest_of_model(trained.model_uri),
        cut_off=trained.cut_off,
        constants=features.constants,
        predictions=run.uri_of(PREDICTIONS),
        keys=features.keys,
        keys_digest=features.keys_digest,
    )
