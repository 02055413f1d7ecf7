"""One of several workers that share the search of an algorithm's hyperparameters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import StudyTakenOverError
from trainer.modalities import modality_of
from trainer.run.records import TuneWorkerResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> TuneWorkerResult:
    """Run trials of the shared study until it has all of its own; `tune` makes up for workers that died."""
    from trainer.tuning.search import Search, Share, run_trials
    from trainer.tuning.study_of_run import study_of

    share, name = Share(), ""
    with modality_of(pipeline).objective(pipeline, run) as objective:
        search = Search(pipeline, run.algorithm, objective, run.worker)
        if search.is_searched:
            study = study_of(search, run)
            name = study.study_name
            try:
                run_trials(search, study, share)
            except StudyTakenOverError as error:
                logger.warning("%s", error)
    logger.info("%s: %d trials finished, %d of them pruned", search.label, share.trials, share.pruned)
    return TuneWorkerResult(
        algorithm=run.algorithm,
        worker=run.worker,
        study=name,
        trials=share.trials,
        pruned=share.pruned,
        time_is_up=share.time_is_up,
    )
