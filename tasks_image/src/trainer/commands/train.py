"""`trainer train`: all steps of a pipeline, one after the other, without a scheduler."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline, parse_parameters, run_step
from trainer.environment import read_environment
from trainer.errors import StepNotDoneError, TrainerError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.process import log_context, logs
from trainer.process.colour import painted
from trainer.run import RunFolder, run_key
from trainer.run.flow import APPROVE, PartOfRun, parts_of_run, step_named
from trainer.run.left_out import NOT_TO_BE_REGISTERED, NOT_TO_PRODUCTION, never_published
from trainer.summary.summary import build_summary, write_summary
from trainer.summary.terminal import render

if TYPE_CHECKING:
    import argparse

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "train",
        help="run all steps of a pipeline here, without Airflow",
        description="Run all steps of a pipeline one after the other in this process: the same code as the DAG runs. "
        "A model that passes its gates is registered, and promoted to staging or production, only if asked.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument("--data-path", metavar="URI", help="read this instead of the pipeline's source.uri")
    command.add_argument("--run", metavar="URI", help="the run folder (default: .runs/PIPELINE/by-hand-TIME)")
    command.add_argument("--parameters", default="{}", metavar="JSON", help='run parameters: {"trials": 5}')
    command.add_argument("--register-best", action="store_true", help="register the winner if it passes its gates")
    command.add_argument("--promote-to-staging", action="store_true", help="register it and set the alias `staging`")
    command.add_argument("--promote-to-production", action="store_true", help="and the alias `production` as well")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the steps and print the summary; returns 0, or raises the error of the step that failed."""
    logs.set_up(read_environment().log_format)
    pipeline = _with_data(given_pipeline(arguments.config), arguments.data_path)
    parameters = {**parse_parameters(arguments.parameters), "promote_to": _promote_to(arguments)}
    chosen = pipeline.for_run(parameters)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    folder = RunFolder.open(arguments.run or f".runs/{pipeline.name}/{run_key(f'by-hand {stamp}')}")
    log_context.note(pipeline=pipeline.name, run_key=folder.key)
    wants_version = arguments.register_best or parameters["promote_to"] != "none"
    began = time.monotonic()
    try:
        run_all(folder, chosen, register=wants_version)
    finally:
        summary = build_summary(folder, time.monotonic() - began)
        write_summary(folder, summary)
        sys.stdout.write(painted(render(summary), sys.stdout) + "\n")
    return 0


def run_all(folder: RunFolder, pipeline: Pipeline, *, register: bool) -> None:
    """All steps in order; `report` runs even after a failure, so that MLflow's record is closed."""
    run_step("start", folder, pipeline)
    frozen = folder.pipeline()
    try:
        for name, algorithm, _ in _parts(frozen):
            if name in ("start", "report") or not _is_due(name, folder, frozen, register=register):
                if name == "register" and not register and _is_due(name, folder, frozen, register=True):
                    folder.at(name).leave_out(NOT_TO_BE_REGISTERED)
                continue
            if why := _left_out(name, frozen):
                logger.info("%s is left out: %s", name, why)
                folder.at(name).leave_out(why)
            else:
                run_step(name, folder, frozen, algorithm)
    finally:
        run_step("report", folder, frozen)


def _parts(pipeline: Pipeline) -> list[PartOfRun]:
    """Every part of the run; in one process there is nobody to share a study with."""
    return [part for part in parts_of_run(pipeline) if not part.worker]


def _is_due(name: str, folder: RunFolder, pipeline: Pipeline, *, register: bool) -> bool:
    from trainer.decision import DecisionResult, final_outcome

    condition = step_named(name).only_if
    if condition == "always":
        return True
    try:
        decided = folder.at("decide").result(DecisionResult).outcome
        outcome = decided if name == APPROVE else final_outcome(pipeline, folder)
    except StepNotDoneError as error:
        raise TrainerError(f"step {name}: no decision was taken") from error
    return outcome == "promote" and (register if condition == "promoted" else pipeline.run.promote_to != "none")


def _left_out(name: str, pipeline: Pipeline) -> str:
    """Why a step that is due is left out, as in the DAG; an empty text where it is not."""
    if step_named(name).only_if != "to_production":
        return ""
    never = never_published(pipeline, read_environment().feature_store)
    return never or NOT_TO_PRODUCTION * (pipeline.run.promote_to != "production")


def _with_data(pipeline: Pipeline, data_path: str | None) -> Pipeline:
    if data_path is None:
        return pipeline
    uri = data_path if "://" in data_path else str(Path(data_path).resolve())
    document = {**pipeline.source.model_dump(mode="json"), "uri": uri, "sample": None}
    document.pop("sha256", None)  # it is the checksum of the file that is not read
    return pipeline_of({**pipeline.model_dump(mode="json"), "source": document}, "--data-path")


def _promote_to(arguments: argparse.Namespace) -> str:
    if arguments.promote_to_production:
        return "production"
    return "staging" if arguments.promote_to_staging else "none"
