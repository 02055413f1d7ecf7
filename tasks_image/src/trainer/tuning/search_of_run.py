"""The search of a run: an algorithm's, on the training rows that the run has set aside."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.run.records import FeaturesResult, IngestResult
from trainer.tables.handover import FEATURES, PART, TIME
from trainer.tables.row_subset import ChosenRows, open_table
from trainer.tuning.cross_validation import make_folds
from trainer.tuning.search import Search
from trainer.tuning.studies import finished_trials, open_study, study_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import optuna
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def search_of(pipeline: Pipeline, run: RunFolder) -> Iterator[Search]:
    """The search of a folder's algorithm, by the worker that the folder is of; its rows can be read in the block."""
    engineered = run.at("engineer_features")
    made = engineered.result(FeaturesResult)
    with engineered.local(FEATURES) as file:
        folds = make_folds(pipeline, *_training_rows(pipeline, file, [*made.inputs, *made.for_features]))
        yield Search(pipeline, run.algorithm, folds, run.worker)


def study_of(search: Search, run: RunFolder) -> optuna.Study:
    """The study of a search, opened."""
    digest = run.at("ingest").result(IngestResult).digest
    name = study_name(run.key, search.algorithm, search.pipeline, digest)
    study = open_study(name, read_environment().study_storage, search.pipeline, search.worker)
    if known := len(finished_trials(study)):
        logger.info("%s: resuming after %d finished trials", search.label, known)
    return study


def _training_rows(pipeline: Pipeline, file: Path, inputs: list[str]) -> tuple[ChosenRows, pl.Series, pl.Series | None]:
    """What models are made from of the training rows, their targets, and their times where the split goes by those."""
    table = open_table(file)
    is_training = table.select(PART).collect()[PART] == "train"

    def column(name: str) -> pl.Series:
        return table.select(name).collect()[name].filter(is_training)

    times = column(TIME) if pipeline.split.KIND == "time" else None
    return ChosenRows(table.select(inputs), is_training), column(pipeline.columns.target), times
