"""What a step needs of the clone before it begins: the right commit, and Python importing from it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trainer
from trainer.environment import variable, variable_name
from trainer.errors import ConfigurationError
from trainer.own_code.clone import commit_in, source_folder

if TYPE_CHECKING:
    from trainer.pipeline import Code, Pipeline

logger = logging.getLogger(__name__)

CHECKOUT = "run `trainer checkout` for this step first"


def with_code(pipeline: Pipeline, *, freeze: bool = False) -> Pipeline:
    """The pipeline, if the clone that it needs is there; with `freeze`, with the clone's commit as its own.

    Raises ConfigurationError where there is no clone, one of another commit than the run's, or one that Python does
    not import from: a step must not train with code that nobody asked for.
    """
    if pipeline.code is None:
        return pipeline
    commit = _commit_of_clone(pipeline.code, freeze=freeze)
    return pipeline.model_copy(update={"code": pipeline.code.model_copy(update={"commit": commit})})


def _commit_of_clone(code: Code, *, freeze: bool) -> str:
    name = variable_name("code")
    folder = Path(variable("code"))
    if not variable("code"):
        raise ConfigurationError(f"the pipeline has `code`, and {name} names no folder with its clone; {CHECKOUT}")
    commit = commit_in(folder)
    if not commit:
        raise ConfigurationError(f"{name}: {folder} holds no complete clone of {code.repository}; {CHECKOUT}")
    if code.commit is None and not freeze:
        raise ConfigurationError("code.commit: this run has frozen none; run the step `start` again")
    if code.commit not in {None, commit}:
        raise ConfigurationError(f"{name}: {folder} holds commit {commit}, and this run uses {code.commit}; {CHECKOUT}")
    _check_imports(folder, code)
    return commit


def _check_imports(folder: Path, code: Code) -> None:
    source = source_folder(folder, code)
    if source not in {Path(place).resolve() for place in sys.path if place}:
        raise ConfigurationError(
            f"Python does not import from {source}: put it on PYTHONPATH, for the pipeline's `code`"
        )
    if Path(trainer.__file__).resolve().is_relative_to(folder.resolve()):
        logger.info("the package `trainer` itself comes from the code repository, %s", trainer.__file__)
