"""Optuna studies that survive a kill: no finished trial is lost or repeated."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Choice, Range

if TYPE_CHECKING:
    import optuna

    from trainer.pipeline import AnyAlgorithm, Pipeline

logger = logging.getLogger(__name__)

JOURNAL = "journal://"
DIGEST_DIGITS = 12
LOCK_GRACE_SECONDS = 5
"""After a kill a lock can stay behind; it is taken over when its holder has been silent for so long."""


def study_name(run_key: str, algorithm: str, pipeline: Pipeline, data_digest: str) -> str:
    """The name of the study: other data, search space, rules of scoring or code make it another study."""
    tuning = pipeline.tuning.model_dump(mode="json", exclude={"trials", "timeout_minutes", "parallel_folds", "enabled"})
    content = {
        "algorithm": pipeline.algorithms[algorithm].model_dump(mode="json"),
        "tuning": tuning,
        "features": pipeline.features.model_dump(mode="json"),
        "preprocess": pipeline.preprocess.model_dump(mode="json"),
        "data": data_digest,
        **({"code": pipeline.code.commit} if pipeline.code else {}),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]
    return f"{run_key}-{algorithm}-{digest}"


def open_study(name: str, storage: str, pipeline: Pipeline) -> optuna.Study:
    """The study of this name, created if it is new. A trial that a killed process left unfinished is marked failed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=_storage(storage, name),
        direction="maximize" if pipeline.greater_is_better else "minimize",
        load_if_exists=True,
        sampler=sampler(pipeline, 0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=pipeline.tuning.startup_trials, n_warmup_steps=1),
    )
    for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        logger.warning("study %s: trial %d was interrupted and does not count", name, left.number)
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
    return study


def sampler(pipeline: Pipeline, finished: int) -> optuna.samplers.TPESampler:
    """TPE, seeded by the number of finished trials, so that a resumed study draws what an undisturbed one would."""
    import optuna

    return optuna.samplers.TPESampler(
        seed=pipeline.tuning.seed + finished,
        n_startup_trials=pipeline.tuning.startup_trials,
        multivariate=True,
        constant_liar=False,
    )


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that have run to their end or were pruned."""
    from optuna.trial import TrialState

    trials: list[optuna.trial.FrozenTrial] = study.get_trials(
        deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
    )
    return trials


def suggest(trial: optuna.Trial, algorithm: AnyAlgorithm) -> dict[str, Any]:
    """A value for each parameter of the search space."""
    return {name: _suggest(trial, name, space) for name, space in algorithm.search.items()}


def _suggest(trial: optuna.Trial, name: str, space: Range | Choice) -> Any:
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, space.choices)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(name, space.low, space.high, step=int(space.step or 1), log=space.log)
    return trial.suggest_float(name, space.low, space.high, step=space.step, log=space.log)


def starting_point(algorithm: AnyAlgorithm) -> dict[str, Any]:
    """The pipeline's own parameters as far as they lie in the search space: the first trial to run."""
    return {name: algorithm.params[name] for name, space in algorithm.search.items() if _within(algorithm, name, space)}


def _within(algorithm: AnyAlgorithm, name: str, space: Range | Choice) -> bool:
    if name not in algorithm.params:
        return False
    value = algorithm.params[name]
    if isinstance(space, Choice):
        return value in space.choices
    return isinstance(value, int | float) and space.low <= value <= space.high


def remove_journals(run_key: str, storage: str) -> None:
    """Remove the journals of a run's studies, with what a kill left of their locks; a database keeps its studies."""
    if not storage.startswith(JOURNAL):
        logger.info("run %s: its studies stay in their database", run_key)
        return
    name = re.compile(rf"{re.escape(run_key)}-[a-z][a-z0-9_]*-[0-9a-f]{{{DIGEST_DIGITS}}}\.journal(\..+)?")
    folder = Path(storage.removeprefix(JOURNAL)).absolute()
    for file in folder.iterdir() if folder.is_dir() else ():
        if name.fullmatch(file.name):
            file.unlink()


def _storage(address: str, name: str) -> Any:
    import optuna

    if not address:
        raise ConfigurationError("TRAINER_STUDY_STORAGE is not set: tuning keeps its trials there")
    if not address.startswith(JOURNAL):
        return optuna.storages.RDBStorage(address)
    folder = Path(address.removeprefix(JOURNAL)).absolute()  # a lock is a link to the journal, and is never taken over
    folder.mkdir(parents=True, exist_ok=True)
    file = str(folder / f"{name}.journal")
    lock = optuna.storages.journal.JournalFileSymlinkLock(file, grace_period=LOCK_GRACE_SECONDS)
    _cut_torn_end(Path(file), lock)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(file, lock_obj=lock))


def _cut_torn_end(journal: Path, lock: optuna.storages.journal.BaseJournalFileLock) -> None:
    """Cut off a last line that has no end: a full disk or a kill has torn it, and Optuna would write on behind it."""
    if not journal.exists() or _whole_length(journal) == journal.stat().st_size:
        return
    lock.acquire()
    try:
        length = _whole_length(journal)
        logger.warning("%s: %d bytes of an unfinished record are cut off", journal, journal.stat().st_size - length)
        os.truncate(journal, length)
    finally:
        lock.release()


def _whole_length(journal: Path) -> int:
    """The length up to the end of the last line that has one."""
    return journal.read_bytes().rfind(b"\n") + 1
