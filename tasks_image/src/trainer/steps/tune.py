"""Search an algorithm's hyperparameters by cross-validation on the training rows."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.environment import cores, read_environment
from trainer.errors import ModelTrainingError
from trainer.run.results import FeaturesResult, IngestResult, TuneResult

if TYPE_CHECKING:
    import optuna
    import polars as pl

    from trainer.models.cross_validation import Fold, FoldScore
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

READABLE = {"auc_roc": "AUC"}
SECONDS_PER_MINUTE = 60


def run(pipeline: Pipeline, run: RunFolder) -> TuneResult:
    """Give the best parameters found; with tuning off, the pipeline's own and their cross-validated figure."""
    search = _Search(pipeline, run.algorithm, _folds(pipeline, run))
    result = _searched(search, run) if search.is_searched else _as_given(search)
    name = READABLE.get(result.metric, result.metric)
    logger.info("%s: CV %s: %.4f (+/- %.4f)", run.algorithm, name, result.cv_mean, 2 * result.cv_std)
    return result


@dataclass(frozen=True)
class _Search:
    pipeline: Pipeline
    algorithm: str
    folds: list[Fold]

    def scores(self, params: dict[str, Any]) -> Any:
        """An iterator over the folds' scores for these parameters."""
        from trainer.jobs.models import model_for
        from trainer.models.cross_validation import fold_scores

        tuning = self.pipeline.tuning
        model = model_for(self.pipeline.algorithms[self.algorithm], params)
        stopping = tuning.early_stopping if self.stops_early else None
        workers = tuning.parallel_folds or min(cores(), tuning.folds)
        return fold_scores(self.folds, model, self.pipeline, workers=workers, early_stopping=stopping)

    @property
    def stops_early(self) -> bool:
        """Whether boosting is stopped in the folds, which only a search does: parameters as given are used as given."""
        tuning = self.pipeline.tuning
        boosted = self.pipeline.algorithms[self.algorithm].KIND != "sklearn"
        return boosted and self.is_searched and tuning.early_stopping is not None

    @property
    def is_searched(self) -> bool:
        """Whether there is something to search."""
        return self.pipeline.tuning.enabled and bool(self.pipeline.algorithms[self.algorithm].search)

    def params(self, found: dict[str, Any], rounds: int | None = None) -> dict[str, Any]:
        """All parameters to train with: the pipeline's, what was found, and the rounds that early stopping chose."""
        own = self.pipeline.algorithms[self.algorithm].params
        return {**own, **found, **({"n_estimators": rounds} if rounds else {})}


def _folds(pipeline: Pipeline, run: RunFolder) -> list[Fold]:
    from trainer.models.cross_validation import make_folds

    rows, targets = training_rows(pipeline, run)
    return make_folds(pipeline, rows, targets)


def training_rows(pipeline: Pipeline, run: RunFolder) -> tuple[pl.DataFrame, pl.Series]:
    """The raw inputs and targets of the training rows."""
    import polars as pl

    from trainer.data.tables import read_table
    from trainer.steps.engineer_features import FEATURES, PART

    features = run.at("engineer_features").result(FeaturesResult)
    columns = [*features.inputs, pipeline.columns.target]
    table = read_table(run.at("engineer_features"), FEATURES, [PART, *columns]).filter(pl.col(PART) == "train")
    return table.select(features.inputs), table[pipeline.columns.target]


def _searched(search: _Search, run: RunFolder) -> TuneResult:
    from trainer.models.studies import finished_trials, open_study, study_name

    pipeline = search.pipeline
    digest = run.at("ingest").result(IngestResult).digest
    name = study_name(run.key, search.algorithm, pipeline, digest)
    study = open_study(name, read_environment().study_storage, pipeline)
    if known := len(finished_trials(study)):
        logger.info("%s: resuming after %d finished trials", search.algorithm, known)
    _run_trials(search, study)
    return _best(search, study)


def _run_trials(search: _Search, study: optuna.Study) -> None:
    from optuna.trial import TrialState

    from trainer.models.studies import finished_trials, sampler, starting_point

    tuning = search.pipeline.tuning
    began = time.monotonic()
    done_before = len(finished_trials(study))
    for number in range(done_before, tuning.trials):
        study.sampler = sampler(search.pipeline, number)
        if number == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # Not `skip_if_exists`: an interrupted trial with these parameters exists, and does not count.
            study.enqueue_trial(starting_point(search.pipeline.algorithms[search.algorithm]))
        value = _one_trial(search, study)
        elapsed = time.monotonic() - began
        left = elapsed / (number + 1 - done_before) * (tuning.trials - number - 1)
        _log_progress(search.algorithm, study, number + 1, tuning.trials, value, left)
        if elapsed > tuning.timeout_minutes * SECONDS_PER_MINUTE:
            logger.warning("%s: time is up after %d of %d trials", search.algorithm, number + 1, tuning.trials)
            return


def _one_trial(search: _Search, study: optuna.Study) -> float | None:
    """Run one trial; its mean score, or None where it was pruned."""
    from optuna.trial import TrialState

    from trainer.models.studies import suggest

    trial = study.ask()
    found = suggest(trial, search.pipeline.algorithms[search.algorithm])
    stopping = search.pipeline.tuning.early_stopping if search.stops_early else None
    scores: list[FoldScore] = []
    folds = search.scores(search.params(found, stopping.max_rounds if stopping else None))
    for score in folds:
        scores.append(score)
        trial.report(_mean(scores), step=len(scores))
        if len(scores) < len(search.folds) and trial.should_prune():
            folds.close()
            study.tell(trial, state=TrialState.PRUNED)
            return None
    trial.set_user_attr("fold_scores", [score.value for score in scores])
    trial.set_user_attr("rounds", _mean_rounds(scores))
    study.tell(trial, _mean(scores))
    return _mean(scores)


def _best(search: _Search, study: optuna.Study) -> TuneResult:
    from optuna.trial import TrialState

    from trainer.models.studies import finished_trials

    finished = finished_trials(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in finished)
    if pruned == len(finished):
        raise ModelTrainingError(f"study {study.study_name}: none of its {len(finished)} trials ran to its end")
    best = study.best_trial
    params = search.params(best.params, best.user_attrs["rounds"])
    return _result(search, best.user_attrs["fold_scores"], params, study.study_name, len(finished), pruned)


def _as_given(search: _Search) -> TuneResult:
    scores = list(search.scores(search.params({})))
    return _result(search, [score.value for score in scores], search.params({}, _mean_rounds(scores)), "", 0, 0)


def _result(
    search: _Search, scores: list[float], params: dict[str, Any], study: str, trials: int, pruned: int
) -> TuneResult:
    import numpy as np

    return TuneResult(
        algorithm=search.algorithm,
        enabled=bool(study),
        study=study,
        metric=search.pipeline.tuning.metric,
        trials=trials,
        pruned=pruned,
        cv_mean=float(np.mean(scores)),
        cv_std=float(np.std(scores)),
        fold_scores=scores,
        params=params,
    )


def _mean(scores: list[FoldScore]) -> float:
    return sum(score.value for score in scores) / len(scores)


def _mean_rounds(scores: list[FoldScore]) -> int | None:
    rounds = [score.rounds for score in scores if score.rounds is not None]
    return round(sum(rounds) / len(rounds)) if rounds else None


def _log_progress(
    algorithm: str, study: optuna.Study, number: int, trials: int, value: float | None, left: float
) -> None:
    shown = "pruned" if value is None else f"{value:.4f}"
    minutes, seconds = divmod(round(left), SECONDS_PER_MINUTE)
    logger.info(
        "%s: trial %d/%d: %s, best so far %.4f, about %d:%02d left",
        algorithm,
        number,
        trials,
        shown,
        study.best_value,
        minutes,
        seconds,
    )
