"""The command line: `trainer step NAME --run URI` for a DAG; `trainer train|run|check|…` for a person."""

from __future__ import annotations

import argparse
import gc
import logging
from typing import TYPE_CHECKING

from trainer import __version__
from trainer.commands import (
    backtest,
    check,
    checkout,
    data,
    deploy,
    deployment,
    describe,
    experiment,
    history,
    init,
    job,
    load_table,
    monitor,
    prune,
    report,
    resolve,
    rollback,
    schema,
    score,
    serve,
    step,
    summary,
    train,
    validate_model,
)
from trainer.environment import limit_threads
from trainer.errors import TrainerError
from trainer.process import log_context
from trainer.process.fork_server import exit_process
from trainer.process.sigterm import end_outranks_errors, ends_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("trainer")

COMMANDS = (
    step, checkout, train, score, monitor, serve, deploy, deployment, experiment, job, init, check, schema, data,
    load_table, summary, report, validate_model,
    resolve, rollback, history, backtest, prune, describe,
)  # fmt: skip

FEW_COLLECTIONS = (50_000, 20, 20)
"""A step imports libraries for seconds, and its arrays need no garbage collector; the default is 700, 10, 10."""

EPILOG = """\
exit codes:
  0  done
  1  failed; trying again can help
  2  the configuration is wrong
  3  the data is refused
  4  the model is refused
  143  ended by SIGTERM; trying again goes on

The environment of a step comes from environment variables; `source .airflow/env` sets those of this checkout.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="trainer", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action="version", version=f"trainer {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_to(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    with ends_on_sigterm(), log_context.noted():  # what the command notes of its work is of this command alone
        return _run(parser().parse_args(arguments))


def _run(chosen: argparse.Namespace) -> int:
    try:
        limit_threads()
        with end_outranks_errors():
            code: int = chosen.command(chosen)
    except TrainerError as error:
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
        log_context.note(error=type(error).__name__, exit_code=error.exit_code)
        logger.error("%s: %s%s", type(error).__name__, error, notes)  # noqa: TRY400  (the message is for a person)
        return error.exit_code
    except Exception as error:
        log_context.note(error=type(error).__name__, exit_code=TrainerError.exit_code)
        logger.exception("%s: %s", type(error).__name__, error)  # noqa: TRY401  (a log store reads the message)
        return TrainerError.exit_code
    return code


if __name__ == "__main__":
    gc.set_threshold(*FEW_COLLECTIONS)
    exit_process(main())
