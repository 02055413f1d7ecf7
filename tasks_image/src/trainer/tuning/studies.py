"""Optuna studies that survive a kill: no finished trial is lost or repeated."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from trainer.pipeline import Choice, Range
from trainer.tuning.study_storage import DIGEST_DIGITS, open_storage

if TYPE_CHECKING:
    import optuna

    from trainer.pipeline import Algorithm, Pipeline

logger = logging.getLogger(__name__)

WORKER = "worker"
"""The attribute of a trial that says which worker runs it; 0 is the step `tune` itself."""
SURPLUS = "surplus"
"""The attribute of a trial that was drawn although the study had enough without it: it is not run."""
ENQUEUED = "fixed_params"
"""Optuna's own mark of a trial whose parameters were not drawn, which here is the starting point alone."""


HOW_IT_IS_RUN = {"trials", "timeout_minutes", "parallel_folds", "enabled", "workers"}
"""Fields of a pipeline's `tuning` that change neither what a trial is nor what it finds."""


def study_name(run_key: str, algorithm: str, pipeline: Pipeline, data_digest: str) -> str:
    """The name of the study: other data, search space, rules of scoring or code make it another study."""
    content = {
        "algorithm": pipeline.algorithms[algorithm].model_dump(mode="json", exclude={"resources"}),
        "tuning": pipeline.tuning.model_dump(mode="json", exclude=HOW_IT_IS_RUN),
        **pipeline.model_dump(mode="json", include=set(pipeline.rows_are_made_by)),
        "data": data_digest,
        **({"code": pipeline.code.commit} if pipeline.code else {}),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]
    return f"{run_key}-{algorithm}-{digest}"


def open_study(name: str, storage: str, pipeline: Pipeline, worker: int = 0) -> optuna.Study:
    """The study of this name, created if it is new.

    Trials that killed processes left unfinished are marked failed: by a worker those of its own earlier tries, by
    `tune`, which comes after the workers and is number 0, all.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=open_storage(storage, name),
        direction="maximize" if pipeline.greater_is_better else "minimize",
        load_if_exists=True,
        sampler=sampler(pipeline, 0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=pipeline.tuning.startup_trials, n_warmup_steps=1),
    )
    mark_interrupted(study, worker)
    return study


def mark_interrupted(study: optuna.Study, worker: int = 0) -> None:
    """Mark the unfinished trials of a worker as failed; with 0, those of all."""
    import optuna

    for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if worker in {0, left.user_attrs.get(WORKER)}:
            logger.warning("study %s: trial %d was interrupted and does not count", study.study_name, left.number)
            study.tell(left.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def sampler(pipeline: Pipeline, before: int, worker: int = 0) -> optuna.samplers.TPESampler:
    """TPE, seeded by the number of trials before, so that a resumed study draws what an undisturbed one would.

    `before` counts the finished trials of the study. For one of several workers it counts those that it has begun, and
    each has seeds of its own; it also keeps away from what the others are trying, by taking that for bad.
    """
    import optuna

    seed = pipeline.tuning.seed
    return optuna.samplers.TPESampler(
        seed=_worker_seed(seed, worker, before) if worker else seed + before,
        n_startup_trials=pipeline.tuning.startup_trials,
        multivariate=True,
        constant_liar=worker > 0,
    )


def _worker_seed(seed: int, worker: int, before: int) -> int:
    digest = hashlib.sha256(f"{seed} {worker} {before}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def begun_by(study: optuna.Study, worker: int) -> int:
    """How many trials a worker has begun, in whatever way they ended."""
    return sum(trial.user_attrs.get(WORKER) == worker for trial in study.get_trials(deepcopy=False))


def enqueue_starting_point(study: optuna.Study, algorithm: Algorithm) -> None:
    """Have the pipeline's own parameters tried next, unless they have been, or are about to be.

    Not by Optuna's `skip_if_exists`: an interrupted trial with these parameters exists, and does not count. Two workers
    may both enqueue them; `is_surplus` tells the second.
    """
    if not any(ENQUEUED in trial.system_attrs for trial in _not_failed(study)):
        study.enqueue_trial(starting_point(algorithm))


def is_surplus(study: optuna.Study, trial: optuna.Trial, trials: int) -> bool:
    """Whether a trial that was just drawn is one too many, because of those with lower numbers.

    Numbers are given in the order in which trials begin to exist, so each is known to all that are drawn later, and of
    `trials` + 1 that might end at least the last is told so: no study has more than `trials` finished trials.
    """
    earlier = sum(other.number < trial.number for other in _not_failed(study))
    return earlier >= trials or is_second_start(study, trial)


def is_second_start(study: optuna.Study, trial: optuna.Trial) -> bool:
    """Whether a trial is the starting point, which is being tried already."""
    starts = [other.number for other in _not_failed(study) if ENQUEUED in other.system_attrs]
    return trial.number in starts and trial.number > min(starts)


def leave_out(study: optuna.Study, trial: optuna.Trial) -> None:
    """End a surplus trial without running it."""
    import optuna

    logger.info("study %s: trial %d is not needed", study.study_name, trial.number)
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # somebody else has ended it
        trial.set_user_attr(SURPLUS, value=True)
        study.tell(trial, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _not_failed(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that are finished or may yet be."""
    from optuna.trial import TrialState

    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that have run to their end or were pruned."""
    from optuna.trial import TrialState

    trials: list[optuna.trial.FrozenTrial] = study.get_trials(
        deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
    )
    return trials


def suggest(trial: optuna.Trial, algorithm: Algorithm) -> dict[str, Any]:
    """A value for each parameter of the search space."""
    return {name: _suggest(trial, name, space) for name, space in algorithm.search.items()}


def _suggest(trial: optuna.Trial, name: str, space: Range | Choice) -> Any:
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, space.choices)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(name, space.low, space.high, step=int(space.step or 1), log=space.log)
    return trial.suggest_float(name, space.low, space.high, step=space.step, log=space.log)


def starting_point(algorithm: Algorithm) -> dict[str, Any]:
    """The pipeline's own parameters as far as they lie in the search space: the first trial to run."""
    return {name: algorithm.params[name] for name, space in algorithm.search.items() if _within(algorithm, name, space)}


def _within(algorithm: Algorithm, name: str, space: Range | Choice) -> bool:
    if name not in algorithm.params:
        return False
    value = algorithm.params[name]
    if isinstance(space, Choice):
        return value in space.choices
    return isinstance(value, int | float) and space.low <= value <= space.high
