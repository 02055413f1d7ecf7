"""Search an algorithm's hyperparameters by cross-validation on the training rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelTrainingError
from trainer.modalities import modality_of
from trainer.run.records import TuneResult, TuneWorkerResult

if TYPE_CHECKING:
    import optuna

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.tuning.search import Search

logger = logging.getLogger(__name__)

READABLE = {"auc_roc": "AUC"}


def run(pipeline: Pipeline, run: RunFolder) -> TuneResult:
    """Give the best parameters found; with tuning off, the pipeline's own and their cross-validated figure."""
    from trainer.tuning.search import Search

    with modality_of(pipeline).objective(pipeline, run) as objective:
        search = Search(pipeline, run.algorithm, objective)
        result = _searched(search, run) if search.is_searched else _as_given(search)
    name = READABLE.get(result.metric, result.metric)
    if result.cv_mean is not None and result.cv_std is not None:
        logger.info("%s: CV %s: %.4f (+/- %.4f)", run.algorithm, name, result.cv_mean, 2 * result.cv_std)
    return result


def _searched(search: Search, run: RunFolder) -> TuneResult:
    from trainer.tuning.search import Share, run_trials
    from trainer.tuning.study_of_run import study_of

    study = study_of(search, run)
    if not _time_was_up(search, study, run):
        run_trials(search, study, Share())
    return _best(search, study)


def _time_was_up(search: Search, study: optuna.Study, run: RunFolder) -> bool:
    """Whether a worker has stopped because time was up: then what is missing stays so, if there is anything at all."""
    from optuna.trial import TrialState

    workers = range(1, search.pipeline.tuning.workers + 1)
    shares = [run.at("tune_worker", search.algorithm, worker).result_or_none(TuneWorkerResult) for worker in workers]
    if not any(share is not None and share.time_is_up for share in shares):
        return False
    return bool(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _best(search: Search, study: optuna.Study) -> TuneResult:
    from optuna.trial import TrialState

    from trainer.tuning.studies import finished_trials

    finished = finished_trials(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in finished)
    if pruned == len(finished):
        raise ModelTrainingError(f"study {study.study_name}: none of its {len(finished)} trials ran to its end")
    best = study.best_trial
    params = search.params(best.params, best.user_attrs["rounds"])
    return _result(search, best.user_attrs["fold_scores"], params, study.study_name, len(finished), pruned)


def _as_given(search: Search) -> TuneResult:
    from trainer.tuning.search import mean_rounds

    scores = list(search.scores(search.params({}))) if search.objective.scores_as_given else []
    return _result(search, [score.value for score in scores], search.params({}, mean_rounds(scores)), "", 0, 0)


def _result(
    search: Search, scores: list[float], params: dict[str, Any], study: str, trials: int, pruned: int
) -> TuneResult:
    from trainer.tuning.objective import Score

    summary = search.objective.summary([Score(value, None) for value in scores]) if scores else (None, None)
    return TuneResult(
        algorithm=search.algorithm,
        enabled=bool(study),
        study=study,
        metric=search.pipeline.tuning.metric,
        trials=trials,
        pruned=pruned,
        cv_mean=summary[0],
        cv_std=summary[1],
        fold_scores=scores,
        params=params,
    )
