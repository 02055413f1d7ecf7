"""`trainer checkout --run URI --step NAME`: the pipeline's code repository in a folder, before a step runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline
from trainer.environment import variable, variable_name
from trainer.errors import ConfigurationError
from trainer.own_code.clone import clone
from trainer.own_code.git import Git
from trainer.own_code.refs import resolve
from trainer.process import log_context, logs
from trainer.process.parent_death import stop_with_parent
from trainer.process.scratch import scratch_space
from trainer.run import RunFolder
from trainer.run.execute import recorded
from trainer.run.flow import STEPS, PartOfRun

if TYPE_CHECKING:
    import argparse

    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "checkout",
        help="clone the pipeline's code repository for a step",
        description="Clone the commit of the pipeline's `code` for a step. `start` resolves the ref to a commit, and "
        "all other steps of the run get that commit. A failure is recorded as one of the step. A private repository's "
        "login comes from GIT_USERNAME and GIT_PASSWORD.",
    )
    command.add_argument("--run", required=True, metavar="URI", help="the run folder: a path or an fsspec address")
    command.add_argument("--step", required=True, choices=STEPS, metavar="NAME", help="the step that needs the code")
    command.add_argument("--algorithm", default="", help="the step's algorithm (tune_worker, tune and train)")
    command.add_argument("--worker", type=int, default=0, metavar="K", help="which of a study's workers (tune_worker)")
    command.add_argument("--pipeline", metavar="FILE", help="the pipeline's YAML (start; else $TRAINER_PIPELINE)")
    command.add_argument("--to", metavar="FOLDER", help="where the clone goes (default: $TRAINER_CODE)")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Clone; returns 0, or raises what is recorded as the step's failure."""
    stop_with_parent()
    logs.set_up("json" if variable("log_format") == "json" else "text")
    folder = RunFolder.open(arguments.run)
    part = PartOfRun(arguments.step, arguments.algorithm, arguments.worker)
    log_context.note(run_key=folder.key, step=part.step, algorithm=part.algorithm, worker=part.worker or None)
    own = folder.at(*part)
    with scratch_space(f"checkout for {own.uri_of()}"), recorded(own):
        pipeline = given_pipeline(arguments.pipeline) if arguments.step == "start" else folder.pipeline()
        log_context.note(pipeline=pipeline.name)
        _check_out(pipeline, _target(arguments.to))
    return 0


def _target(given: str | None) -> Path:
    place = given or variable("code")
    if not place:
        raise ConfigurationError(f"checkout: name the folder for the code with --to, or set {variable_name('code')}")
    return Path(place).absolute()


def _check_out(pipeline: Pipeline, target: Path) -> None:
    code = pipeline.code
    if code is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no `code`: there is no repository to check out")
    with Git.of(code.repository) as git:
        commit = resolve(git, code)
        logger.info("code: %s, %s is commit %s", code.repository, code.ref, commit)
        clone(git, code, commit, target)
