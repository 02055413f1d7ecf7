"""`trainer check FILE…`: validate pipelines without running them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, load_pipeline, refuse_same_name

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "check",
        help="validate pipeline files",
        description="Validate pipeline files: keys, values, metrics, expressions, expectations, estimators and their "
        "parameters, and that no two files have one name. Prints every mistake with its place.",
    )
    command.add_argument("files", nargs="+", metavar="FILE")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Check each file; returns 0 if all are right, else 2."""
    names: dict[str, str] = {}
    mistakes = 0
    for file in arguments.files:
        try:
            pipeline = load_pipeline(file)
            _check_parts(pipeline)
            refuse_same_name(names, pipeline.name, file)
        except ConfigurationError as error:
            mistakes += 1
            sys.stderr.write(f"{error if str(error).startswith(file) else f'{file}: {error}'}\n")
        else:
            sys.stdout.write(f"{file}: {pipeline.name}: correct\n")
    return ConfigurationError.exit_code if mistakes else 0


def _check_parts(pipeline: Pipeline) -> None:
    """What needs the libraries: expectations, expressions, estimators."""
    from trainer.data.expectations import check_checks
    from trainer.jobs.model_checks import check_model
    from trainer.jobs.models import model_for
    from trainer.models.behaviour import check_behaviours
    from trainer.models.features import check_expressions

    check_checks(pipeline.validation)
    check_expressions(pipeline.features)
    check_behaviours(pipeline.behaviour, pipeline.columns.target)
    for name, algorithm in pipeline.algorithms.items():
        check_model(model_for(algorithm), pipeline.problem, f"algorithms.{name}")
