"""`trainer rollback MODEL --from VERSION`: production returns to the version before, and stays there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "rollback",
        help="let production return to the version before",
        description="Move the aliases `production` and `previous_production` to the version that was production "
        "before. The rollback holds: no run promotes over it until it is released with --release. Asked again, it "
        "changes nothing.",
    )
    command.add_argument("model", metavar="MODEL", help="the registered model")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--from",
        dest="leaving",
        metavar="VERSION",
        help="what production is now; if it is another version, nothing moves",
    )
    what.add_argument("--release", action="store_true", help="end a rollback that holds, so that runs promote again")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Move the alias, or release a rollback, and say so; returns 0.

    Raises PromotionConflictError if production is another version.
    """
    from trainer.registry.promotion import release, roll_back
    from trainer.registry.versions import asking_mlflow

    with asking_mlflow() as client:
        said = (
            release(client, arguments.model)
            if arguments.release
            else roll_back(client, arguments.model, arguments.leaving)
        )
    sys.stdout.write(f"{said}\n")
    return 0
