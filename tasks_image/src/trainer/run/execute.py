"""Doing a step: undone before, timed inside, done or failed after."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from trainer.environment import cores_paid, limited_cores, read_means
from trainer.errors import LESS_MEMORY, ConfigurationError, PromotionConflictError, StepNotDoneError, TrainerError
from trainer.process import log_context
from trainer.process.printable import shortened
from trainer.process.sigterm import ENDED, last_words
from trainer.redaction import without_secrets
from trainer.run.cost import cost_of
from trainer.run.fallback import FALLS_BACK, fall_back
from trainer.run.flow import REFERENCES
from trainer.run.made_from import noting_records
from trainer.run.outages import outage_explained
from trainer.run.records import Failure, PromoteResult, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.pipeline import Pipeline
    from trainer.run.folder import RunFolder

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)

ENDED_BY_SIGTERM = (
    "ended by SIGTERM before it was done: its task or run was ended, or its pod or machine was taken away; "
    "finished trials stay, and the next try goes on after them"
)


def execute(step: Callable[[Pipeline, RunFolder], R], pipeline: Pipeline, folder: RunFolder) -> R:
    """Run a step in its folder and write its result; where it fails, write why and raise the step's own error.

    What the world did to it (MLflow away, a disk full) is raised as an OutageError.
    """
    part = {"step": folder.step, "algorithm": folder.algorithm, "worker": folder.worker or None}
    with log_context.noted(pipeline=pipeline.name, run_key=folder.key, **part):
        return _execute(step, pipeline, folder)


def _refuse_to_replace(folder: RunFolder) -> None:
    """Raise ConfigurationError where a promoted version is known by what a step has written: nothing brings it back."""
    if folder.step not in REFERENCES:
        return
    promoted = folder.at("promote").result_or_none(PromoteResult)
    if promoted is not None:
        raise ConfigurationError(
            f"step {folder.step}: this run has promoted {promoted.model} version {promoted.version}, and later runs "
            "compare with the rows that this step has written for it. It is not run again; start a new run"
        )


def _execute(step: Callable[[Pipeline, RunFolder], R], pipeline: Pipeline, folder: RunFolder) -> R:
    _refuse_to_replace(folder)
    with recorded(folder):
        folder.begin()
        if limited := limited_cores():
            logger.info("%s", limited)
        began = time.perf_counter()
        with noting_records() as records:
            result = step(pipeline, folder)
        seconds = time.perf_counter() - began
        finished = {"seconds": seconds, "finished_at": datetime.now(UTC).isoformat(), "made_from": records}
        done = result.model_copy(update={**finished, **_paid(seconds)})
        folder.finish(done)
    logger.info("%s done in %.1f s", folder.label, seconds)
    return done


def _paid(seconds: float) -> dict[str, float | None]:
    """Return the resources of a step on all its nodes, and their cost for its time, as its result has them."""
    means, cores = read_means(), cores_paid()
    cost = cost_of(seconds, cores, means)
    return {
        "cores": cores * means.nodes,
        "gpus": means.gpus * means.nodes,
        "cost_usd": cost.total_usd if cost else None,
        "cost_gpu_usd": cost.gpu_usd if cost else None,
    }


@contextlib.contextmanager
def recorded(folder: RunFolder) -> Iterator[None]:
    """Keep why a block failed, or that SIGTERM ended it, as far as the store still takes it, and raise that."""
    try:
        with last_words(functools.partial(_keep_end, folder)):
            yield
    except Exception as error:
        told = outage_explained(error, folder.uri)
        if isinstance(told, MemoryError):
            told.add_note(f"memory ran out; {LESS_MEMORY}")
        try:
            says_it_itself = isinstance(told, PromotionConflictError | StepNotDoneError)
            if folder.step in FALLS_BACK and not says_it_itself:
                told.add_note(fall_back(folder))
            folder.fail(failure_of(told, folder))
        except Exception as another:  # noqa: BLE001  (what went wrong first is what counts)
            logger.warning("%s: why it failed could not be kept in the run folder: %s", folder.label, another)
        if told is error:
            raise
        raise told from error


def _keep_end(folder: RunFolder) -> None:
    said = [ENDED_BY_SIGTERM]
    with contextlib.suppress(Exception):  # it is the end that has to be kept
        said += [fall_back(folder)] if folder.step in FALLS_BACK else []
    message = "\n".join(said)
    failure = Failure(step=folder.step, algorithm=folder.algorithm, error="StepEnded", message=message, exit_code=ENDED)
    folder.fail(failure)


def failure_of(error: Exception, folder: RunFolder) -> Failure:
    """The record of an error."""
    notes = [str(note) for note in getattr(error, "__notes__", [])]
    return Failure(
        step=folder.step,
        algorithm=folder.algorithm,
        worker=folder.worker,
        error=type(error).__name__,
        message=shortened(without_secrets("\n".join([str(error), *notes]))),
        exit_code=error.exit_code if isinstance(error, TrainerError) else 1,
    )
