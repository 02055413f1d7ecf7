"""`trainer check FILE…`: validate pipelines without running them."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, Sklearn, load_pipeline, refuse_same_name
from trainer.run.flow import STEPS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

    from trainer.pipeline import Algorithm

SECONDS_FOR_ONE = 120
"""For one file; the first one imports all libraries, and a busy machine takes a while for that."""
SECONDS_TO_EXIT = 0.5
WITH_THREADS = {"numpy", "polars"}
"""Libraries that start threads of their own, which a fork would lack."""


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
    for file, found in _found_in(arguments.files):
        if mistake := found.mistake or _same_name(names, found.name, file):
            mistakes += 1
            sys.stderr.write(f"{mistake if mistake.startswith(file) else f'{file}: {mistake}'}\n")
        else:
            left = f", but for {', '.join(found.later)}: the step `start` tries what comes from `code`"
            sys.stdout.write(f"{file}: {found.name}: correct{left if found.later else ''}\n")
    return ConfigurationError.exit_code if mistakes else 0


def _same_name(names: dict[str, str], name: str, file: str) -> str:
    try:
        refuse_same_name(names, name, file)
    except ConfigurationError as error:
        return str(error)
    return ""


class _Found(NamedTuple):
    """The result of one file's check."""

    name: str
    mistake: str = ""
    later: list[str] = []
    """Parts of which only a clone of the pipeline's own code can tell."""


def _found_in(files: list[str]) -> Iterator[tuple[str, _Found]]:
    """Check files in forks of this process: an estimator may abort or hang, and that is a mistake of its file.

    A process that has imported libraries with threads checks the files itself; the command line has not yet.
    """
    if sys.modules.keys() & WITH_THREADS:
        yield from ((file, _check(file)) for file in files)
        return
    left = [*files]
    while left:
        reading, writing = os.pipe()
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            os.close(reading)
            _check_in_child(left, writing)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as answers:
            while left and (line := _line_in_time(answers)):
                yield left.pop(0), _Found(*json.loads(line))
        ended = _ended(child)
        if left:
            yield left.pop(0), _Found("", f"its check {ended}; look at `algorithms` and their `params`")


def _check_in_child(files: list[str], writing: int) -> NoReturn:
    code = 1
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as answers:
            for file in files:
                answers.write(json.dumps(_check(file)) + "\n")
                answers.flush()
        code = 0
    except BaseException:  # noqa: BLE001  (this process must not go on as its parent)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _line_in_time(answers: TextIO) -> str:
    """Return the next answer; empty if the child has ended, or takes too long."""
    ready, _, _ = select.select([answers], [], [], SECONDS_FOR_ONE)
    return answers.readline() if ready else ""


def _ended(child: int) -> str:
    """Return how a child has ended; one that still works is killed."""
    pid, status = os.waitpid(child, os.WNOHANG)
    if not pid:
        time.sleep(SECONDS_TO_EXIT)  # it may just have closed its end
        pid, status = os.waitpid(child, os.WNOHANG)
    if not pid:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return f"took longer than {SECONDS_FOR_ONE} s and was ended"
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _check(file: str) -> _Found:
    """Return what is wrong with a file; what its libraries say goes to standard error as it comes."""
    try:
        pipeline = load_pipeline(file)
        return _Found(pipeline.name, later=_check_parts(pipeline))
    except ConfigurationError as error:
        return _Found("", str(error))


def _check_parts(pipeline: Pipeline) -> list[str]:
    """What needs the libraries: expectations, expressions, estimators. Returns what only a clone can tell."""
    from trainer.checks.expectations import check_checks
    from trainer.modalities import modality_of
    from trainer.sources.row_filter import check_condition

    _check_schedule("schedule", pipeline.schedule)
    _check_names(pipeline)
    check_condition(pipeline.source.where)
    if pipeline.scoring is not None:
        _check_schedule("scoring.schedule", pipeline.scoring.schedule)
        check_condition(pipeline.scoring.source.where)
    if pipeline.monitoring is not None:
        _check_schedule("monitoring.schedule", pipeline.monitoring.schedule)
        if pipeline.monitoring.labels is not None:
            check_condition(pipeline.monitoring.labels.where)
    check_checks(pipeline.validation)
    later = [name for name, algorithm in pipeline.algorithms.items() if pipeline.code and _is_elsewhere(algorithm)]
    modality_of(pipeline).check(pipeline, [name for name in pipeline.algorithms if name not in later])
    return [f"algorithms.{name}" for name in later]


def _check_names(pipeline: Pipeline) -> None:
    """Raise ConfigurationError for an algorithm that is called like a task of the DAG, beside which it stands."""
    taken = [name for name in pipeline.algorithms if name in {*STEPS, "notify"}]
    if taken:
        raise ConfigurationError(f"algorithms.{taken[0]}: {taken[0]!r} is the name of a step; give it another")


def _check_schedule(where: str, schedule: str | None) -> None:
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
            f"{where}: {schedule!r} is not a cron expression: {error}; expected minute, hour, day of month, month and "
            "day of week, such as '0 2 * * 0', or a preset such as '@weekly'"
        ) from error


def _is_elsewhere(algorithm: Algorithm) -> bool:
    """Whether an estimator's top-level module is not to be found here."""
    return isinstance(algorithm, Sklearn) and importlib.util.find_spec(algorithm.estimator.partition(".")[0]) is None
