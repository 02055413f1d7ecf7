"""`trainer rollback MODEL --from VERSION`: production returns to the version before, and stays there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainer.environment import variable

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "rollback",
        help="let production return to the version before",
        description="Move the aliases `production` and `previous_production` to the version that was production "
        "before. The rollback holds: no run promotes over it until it is released with --release. Where the version "
        "that is left answers requests, the one before answers them at once. Asked again, it changes nothing.",
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
        if arguments.release:
            sys.stdout.write(f"{release(client, arguments.model)}\n")
            return 0
        sys.stdout.write(f"{roll_back(client, arguments.model, arguments.leaving)}\n")
    if served := variable("serving"):
        sys.stdout.write(f"{_answer_again(served, arguments.model, arguments.leaving)}\n")
    return 0


def _answer_again(served: str, model: str, leaving: str) -> str:
    """Let the version that is production now answer requests in place of another one; gives what was done.

    Raises what the target raises: the alias has moved then, and the traffic has not.
    """
    from trainer.deployment.targets import serves, target_of
    from trainer.registry.origin import recorded_digest
    from trainer.registry.versions import PRODUCTION, asking_mlflow, find_version
    from trainer.serving.traffic import WHOLE, Share

    if not serves(served, model):
        return f"{model}: nothing answers requests at {served}"
    target = target_of(served, model)
    if not target.state().percent_of(leaving):
        return f"{model}: version {leaving} answers no requests at {target.address}"
    with asking_mlflow() as client:
        now = str(find_version(client, model, alias=PRODUCTION).version)
        target.start(now, recorded_digest(client, model, now))
    target.divide((Share(version=now, percent=WHOLE),), target.state().revision)
    return f"{model}: version {now} answers all requests at {target.address}"
