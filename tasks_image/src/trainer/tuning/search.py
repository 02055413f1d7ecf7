"""Running the trials of a study: alone, or as one of several workers that share it."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from trainer.errors import DivergedError, StudyTakenOverError
from trainer.run.outages import is_database_outage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import optuna

    from trainer.pipeline import Algorithm, Pipeline
    from trainer.tuning.objective import Objective, Score

T = TypeVar("T")

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
PATIENCE_SECONDS = 120
"""For so long a storage that is away is asked again where what a trial has found would be lost otherwise."""
PAUSE_SECONDS = 2
_TAKEN_OVER = "study %s: %s: another process takes this one for dead and goes on with the study; this one ends"


@dataclass(frozen=True)
class Search:
    """What one algorithm is searched with; `worker` is this process's number among several, or 0."""

    pipeline: Pipeline
    algorithm: str
    objective: Objective
    worker: int = 0

    @property
    def label(self) -> str:
        """Who searches, as a person would call it."""
        return f"{self.algorithm}, worker {self.worker}" if self.worker else self.algorithm

    @property
    def space(self) -> Algorithm:
        """The algorithm with its parameters and their search space."""
        return self.pipeline.algorithms[self.algorithm]

    def scores(self, params: dict[str, Any]) -> Generator[Score]:
        """The scores of these parameters, one after the other."""
        return self.objective.scores(params, stop_early=self.stops_early)

    @property
    def stops_early(self) -> bool:
        """Whether fits are stopped early, which only a search does: parameters as given are used as given."""
        wanted = self.pipeline.tuning.early_stopping is not None
        return wanted and self.is_searched and self.objective.can_stop_early

    @property
    def is_searched(self) -> bool:
        """Whether there is something to search."""
        return self.pipeline.tuning.enabled and bool(self.space.search)

    def params(self, found: dict[str, Any], rounds: int | None = None) -> dict[str, Any]:
        """All parameters to train with: the pipeline's, what was found, and the rounds that early stopping chose."""
        return {**self.space.params, **found, **({self.objective.rounds_name: rounds} if rounds else {})}


@dataclass
class Share:
    """What one process has done of a study."""

    trials: int = 0
    pruned: int = 0
    time_is_up: bool = False


def run_trials(search: Search, study: optuna.Study, share: Share) -> None:
    """Run trials until the study has all of its own, or time is up; `share` is told of each.

    Raises StudyTakenOverError where another process takes this one for dead and has ended its trial.
    """
    from trainer.tuning.studies import finished_trials

    tuning = search.pipeline.tuning
    began = time.monotonic()
    done_before = len(finished_trials(study))
    while True:
        with _noticing_takeover(study):
            trial = _next_trial(search, study)
            if trial is None:
                return
            value = _run_or_prune(search, study, trial)
        share.trials += 1
        share.pruned += value is None
        done = len(finished_trials(study))
        elapsed = time.monotonic() - began
        _log_progress(search, study, value, elapsed / max(1, done - done_before) * (tuning.trials - done))
        if elapsed > tuning.timeout_minutes * SECONDS_PER_MINUTE:
            logger.warning("%s: time is up after %d of %d trials", search.label, done, tuning.trials)
            share.time_is_up = True
            return


def _next_trial(search: Search, study: optuna.Study) -> optuna.Trial | None:
    """A trial to run; None where the study has, or is about to have, all of its own."""
    from trainer.tuning import studies

    trials = search.pipeline.tuning.trials
    while len(finished := studies.finished_trials(study)) < trials:
        before = studies.begun_by(study, search.worker) if search.worker else len(finished)
        study.sampler = studies.sampler(search.pipeline, before, search.worker)
        studies.enqueue_starting_point(study, search.space)
        trial = study.ask()
        trial.set_user_attr(studies.WORKER, search.worker)
        if not studies.is_surplus(study, trial, trials):
            return trial
        is_last = not studies.is_second_start(study, trial)
        studies.leave_out(study, trial)
        if is_last and search.worker:
            return None  # others are at the rest; should one of them die, `tune` makes up for it
        if is_last:
            studies.mark_interrupted(study)  # this is `tune`: there should be no others any more
    return None


def _run_or_prune(search: Search, study: optuna.Study, trial: optuna.Trial) -> float | None:
    """Run a trial; its mean score, or None if it was pruned: by its scores, or because its loss diverged."""
    try:
        return _run_trial(search, study, trial)
    except DivergedError as error:
        logger.warning("%s: trial %d is pruned: %s", search.label, trial.number + 1, error)
        _tell(study, trial, None)
        return None


def _run_trial(search: Search, study: optuna.Study, trial: optuna.Trial) -> float | None:
    """Run a trial; its mean score, or None where it was pruned."""
    from trainer.tuning.studies import suggest

    found = suggest(trial, search.space)
    stopping = search.pipeline.tuning.early_stopping if search.stops_early else None
    scores: list[Score] = []
    given = search.scores(search.params(found, stopping.max_rounds if stopping else None))
    for score in given:
        scores.append(score)
        may_stop = len(scores) < search.objective.reports
        if _patiently(lambda: _reported(search, trial, scores)) and may_stop:
            given.close()
            _tell(study, trial, None)
            return None
    _patiently(lambda: _keep(trial, scores))
    value, _ = search.objective.summary(scores)
    _tell(study, trial, value)
    return value


def _reported(search: Search, trial: optuna.Trial, scores: list[Score]) -> bool:
    """Report the scores so far; whether the trial should be pruned."""
    trial.report(search.objective.summary(scores)[0], step=len(scores))
    return bool(trial.should_prune())


def _keep(trial: optuna.Trial, scores: list[Score]) -> None:
    trial.set_user_attr("fold_scores", [score.value for score in scores])
    trial.set_user_attr("rounds", mean_rounds(scores))


def _tell(study: optuna.Study, trial: optuna.Trial, value: float | None) -> None:
    """Tell a trial's end; None: it was pruned. Told again after an outage, the first time may have counted already."""
    from optuna.trial import TrialState

    state = TrialState.PRUNED if value is None else None
    told = _patiently(lambda: study.tell(trial, value, state, skip_if_finished=True))
    if told.state == TrialState.FAIL and (value is None or math.isfinite(value)):
        raise StudyTakenOverError(_TAKEN_OVER % (study.study_name, f"trial {trial.number} has been ended"))


@contextlib.contextmanager
def _noticing_takeover(study: optuna.Study) -> Iterator[None]:
    """Raise StudyTakenOverError where another process has ended the trial that the block is at."""
    import optuna

    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise StudyTakenOverError(_TAKEN_OVER % (study.study_name, str(error).rstrip("."))) from error


def _patiently(ask: Callable[[], T]) -> T:
    """What a storage answers, asked again while its database is away."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except Exception as error:
            if not is_database_outage(error) or time.monotonic() > end:
                raise
            left = end - time.monotonic()
            logger.warning("the database of the study does not answer; it is asked again, for %.0f s at most", left)
        time.sleep(PAUSE_SECONDS)


def mean_rounds(scores: list[Score]) -> int | None:
    """The rounds to train with after the scores; None where no fit was stopped early."""
    rounds = [score.rounds for score in scores if score.rounds is not None]
    return round(sum(rounds) / len(rounds)) if rounds else None


def _log_progress(search: Search, study: optuna.Study, value: float | None, left: float) -> None:
    from optuna.trial import TrialState

    from trainer.tuning.studies import finished_trials

    complete = bool(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    minutes, seconds = divmod(round(left), SECONDS_PER_MINUTE)
    logger.info(
        "%s: trial %d/%d: %s, best so far %s, about %d:%02d left",
        search.label,
        len(finished_trials(study)),
        search.pipeline.tuning.trials,
        "pruned" if value is None else f"{value:.4f}",
        f"{study.best_value:.4f}" if complete else "none",
        minutes,
        seconds,
    )
