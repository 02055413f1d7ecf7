"""`trainer step NAME --run URI`: one step of a run, as a DAG starts it."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from trainer import logs
from trainer.code.required import with_code
from trainer.environment import read_environment, variable
from trainer.errors import ConfigurationError
from trainer.parent import stop_with_parent
from trainer.pipeline import Pipeline, load_pipeline, parse_pipeline
from trainer.run import RunFolder, about
from trainer.run.execute import execute, recorded
from trainer.run.steps import PER_ALGORITHM, STEPS
from trainer.scratch import scratch_space

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from trainer.run.results import Result


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "step",
        help="run one step of a run",
        description="Run one step of a run: it reads what earlier steps wrote to the run folder, and writes its own "
        "part. Running a step again replaces its outputs.",
    )
    command.add_argument("name", choices=STEPS, metavar="NAME", help=", ".join(STEPS))
    command.add_argument("--run", required=True, metavar="URI", help="the run folder: a path or an fsspec address")
    command.add_argument("--algorithm", default="", help="which algorithm (tune and train)")
    command.add_argument("--pipeline", metavar="FILE", help="the pipeline's YAML (start; else $TRAINER_PIPELINE)")
    command.add_argument("--parameters", default="{}", metavar="JSON", help='run parameters (start): {"trials": 5}')
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the step; returns 0, or raises the step's own error."""
    stop_with_parent()
    logs.set_up(read_environment().log_format)
    folder = RunFolder.open(arguments.run)
    about.note(run_key=folder.key, step=arguments.name, algorithm=arguments.algorithm)
    own = folder.at(arguments.name, arguments.algorithm)
    with scratch_space(own.uri_of()):
        with recorded(own):
            pipeline = _pipeline(arguments, folder)
            about.note(pipeline=pipeline.name)
            step = step_of(arguments.name, pipeline, arguments.algorithm)
        execute(step, pipeline, own)
    return 0


def run_step(name: str, folder: RunFolder, pipeline: Pipeline, algorithm: str = "") -> None:
    """Run a step by its name. Raises ConfigurationError for an algorithm that is missing or not the pipeline's."""
    ready = with_code(pipeline, freeze=name == "start")
    execute(step_of(name, ready, algorithm), ready, folder.at(name, algorithm))


def step_of(name: str, pipeline: Pipeline, algorithm: str) -> Callable[[Pipeline, RunFolder], Result]:
    """The step's function. Raises ConfigurationError for an algorithm that is missing or not the pipeline's."""
    allowed = pipeline.selected_algorithms if name in PER_ALGORITHM else [""]
    if algorithm not in allowed:
        raise ConfigurationError(f"step {name}: --algorithm must be one of {allowed}, not {algorithm!r}")
    step: Callable[[Pipeline, RunFolder], Result] = importlib.import_module(f"trainer.steps.{name}").run
    return step


def _pipeline(arguments: argparse.Namespace, folder: RunFolder) -> Pipeline:
    """The run's frozen pipeline; for `start`, the given one with this run's parameters.

    Where it has code of its own, the clone of the right commit is there.
    """
    if arguments.name != "start":
        return with_code(folder.pipeline())
    given = given_pipeline(arguments.pipeline).for_run(parse_parameters(arguments.parameters))
    return with_code(given, freeze=True)


def given_pipeline(file: str | None) -> Pipeline:
    """The pipeline in a file, else the one in the environment."""
    if file:
        return load_pipeline(file)
    text = variable("pipeline")
    if not text:
        raise ConfigurationError("step start: name the pipeline's file with --pipeline, or set TRAINER_PIPELINE")
    return parse_pipeline(text, "TRAINER_PIPELINE")


def parse_parameters(text: str) -> dict[str, Any]:
    """Run parameters from a JSON object; raises ConfigurationError."""
    try:
        parameters = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"run parameters: {text!r} is no JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise ConfigurationError(f"run parameters: a JSON object is needed, not {text!r}")
    return parameters
