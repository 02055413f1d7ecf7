"""`trainer check FILE…`: validate pipelines without running them."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, Sklearn, load_pipeline, refuse_same_name
from trainer.run.flow import STEPS

if TYPE_CHECKING:
    import argparse

    from trainer.pipeline import Algorithm


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "check",
        help="validate pipeline files",
        description="Validate pipeline files: keys, values, schedules, metrics, expressions, expectations, estimators "
        "and their parameters, and that no two files have one name. Prints every mistake with its place.",
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
            later = _check_parts(pipeline)
            refuse_same_name(names, pipeline.name, file)
        except ConfigurationError as error:
            mistakes += 1
            sys.stderr.write(f"{error if str(error).startswith(file) else f'{file}: {error}'}\n")
        else:
            left = f", but for {', '.join(later)}: the step `start` tries what comes from `code`" if later else ""
            sys.stdout.write(f"{file}: {pipeline.name}: correct{left}\n")
    return ConfigurationError.exit_code if mistakes else 0


def _check_parts(pipeline: Pipeline) -> list[str]:
    """What needs the libraries: expectations, expressions, estimators. Returns what only a clone can tell."""
    from trainer.checks.expectations import check_checks
    from trainer.modalities import modality_of

    _check_schedule(pipeline.schedule)
    _check_names(pipeline)
    check_checks(pipeline.validation)
    later = [name for name, algorithm in pipeline.algorithms.items() if pipeline.code and _is_elsewhere(algorithm)]
    modality_of(pipeline).check(pipeline, [name for name in pipeline.algorithms if name not in later])
    return [f"algorithms.{name}" for name in later]


def _check_names(pipeline: Pipeline) -> None:
    """Raise ConfigurationError for an algorithm that is called like a task of the DAG, beside which it stands."""
    taken = [name for name in pipeline.algorithms if name in {*STEPS, "notify"}]
    if taken:
        raise ConfigurationError(f"algorithms.{taken[0]}: {taken[0]!r} is the name of a step; give it another")


def _check_schedule(schedule: str | None) -> None:
    """Read five cron fields as Airflow does.

    Raises ConfigurationError if they are wrong, or name a day that never comes.
    """
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]

    if schedule is None or schedule.startswith("@"):
        return
    try:
        croniter(schedule).get_next()
    except CroniterError as error:
        raise ConfigurationError(
            f"schedule: {schedule!r} is not a cron expression: {error}; expected minute, hour, day of month, month and "
            "day of week, such as '0 2 * * 0', or a preset such as '@weekly'"
        ) from error


def _is_elsewhere(algorithm: Algorithm) -> bool:
    """Whether an estimator's top-level module is not to be found here."""
    return isinstance(algorithm, Sklearn) and importlib.util.find_spec(algorithm.estimator.partition(".")[0]) is None
