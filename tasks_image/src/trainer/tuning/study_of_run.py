"""The study of a search, by the run and the data that it is of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.run.records import IngestResult
from trainer.tuning.studies import finished_trials, open_study, study_name

if TYPE_CHECKING:
    import optuna

    from trainer.run import RunFolder
    from trainer.tuning.search import Search

logger = logging.getLogger(__name__)


def study_of(search: Search, run: RunFolder) -> optuna.Study:
    """The study of a search, opened."""
    digest = run.at("ingest").result(IngestResult).digest
    name = study_name(run.key, search.algorithm, search.pipeline, digest)
    study = open_study(name, read_environment().study_storage, search.pipeline, search.worker)
    if known := len(finished_trials(study)):
        logger.info("%s: resuming after %d finished trials", search.label, known)
    return study
