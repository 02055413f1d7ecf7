"""Fit the challenger once more, on all rows, after the decision to promote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision import require_promotion
from trainer.errors import ConfigurationError
from trainer.modalities import modality_of
from trainer.run.records import RefitResult, TrainResult
from trainer.tables.handover import KEYS, PART

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder


def run(pipeline: Pipeline, run: RunFolder) -> RefitResult:
    """The model that is registered; it has learned from every row, and its keys say so.

    No unseen row is left to judge this very fit on: the one that was judged had all but the test rows.
    Raises ConfigurationError unless the pipeline asks for it and the decision is to promote.
    """
    from trainer.training.run_jobs import fit_again

    if pipeline.refit != "everything":
        raise ConfigurationError(f"step refit_everything: the pipeline says `refit: {pipeline.refit}`")
    require_promotion(pipeline, run)
    judged = run.at("refit").result(RefitResult)
    trained = run.at("train", judged.winner).result(TrainResult)
    job = modality_of(pipeline).job(pipeline, run, judged.winner, trained.params)
    fitted = fit_again(pipeline, run, job, trained, ("train", "validation", "test"))
    return fitted.model_copy(update={"keys": run.uri_of(KEYS), "keys_digest": _write_keys(run)})


def _write_keys(run: RunFolder) -> str:
    """Keep the row keys, in the snapshot's order, each row as one that was learned from; returns their digest."""
    import polars as pl

    from trainer.tables.parquet import read_table, write_table

    keys = read_table(run.at("engineer_features"), KEYS)
    return write_table(run, KEYS, keys.with_columns(pl.lit("train").alias(PART)))
