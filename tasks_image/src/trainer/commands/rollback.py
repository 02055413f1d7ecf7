"""`trainer rollback MODEL --from VERSION`: production returns to the version before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, PromotionConflictError

if TYPE_CHECKING:
    import argparse

    from mlflow import MlflowClient

ROLLED_BACK_TAG = "trainer.rolled_back_to"


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "rollback",
        help="let production return to the version before",
        description="Move the alias `production` to the version that `previous_production` names. "
        "`previous_production` itself stays: both then name the same version, so that asking again changes nothing, "
        "and there is nothing further to go back to until the next promotion. The version that is left gets the tag "
        f"`{ROLLED_BACK_TAG}`; no alias names it any more, but `staging` if it did.",
    )
    command.add_argument("model", metavar="MODEL", help="the registered model")
    command.add_argument(
        "--from", required=True, dest="leaving", metavar="VERSION", help="what production is now; if not, nothing moves"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Move the alias and say so; returns 0. Raises PromotionConflictError where production is another version."""
    from trainer.models.registry import asking_mlflow

    with asking_mlflow() as client:
        sys.stdout.write(roll_back(client, arguments.model, arguments.leaving) + "\n")
    return 0


def roll_back(client: MlflowClient, model: str, leaving: str) -> str:
    """Move production from `leaving` to the version before; gives what happened as a sentence.

    Asked again, it changes nothing. Raises ConfigurationError where there is nothing to go back to.
    """
    from trainer.models.registry import PREVIOUS, PRODUCTION, find_version

    now, before = (str(find_version(client, model, alias=alias).version) for alias in (PRODUCTION, PREVIOUS))
    if now == before and now != leaving:
        _mark(client, model, leaving, before)
        return f"{model}: production is version {now} already; nothing moved"
    if now != leaving:
        raise PromotionConflictError(
            f"{model}: production is version {now}, not {leaving}; somebody moved it. Nothing moves; "
            f"to leave version {now}, ask with --from {now}"
        )
    if now == before:
        raise ConfigurationError(f"{model}: {PRODUCTION} and {PREVIOUS} are both version {now}: nothing to go back to")
    client.set_registered_model_alias(model, PRODUCTION, before)
    _mark(client, model, leaving, before)
    return f"{model}: production {leaving} → {before}; {PREVIOUS} stays {before}"


def _mark(client: MlflowClient, model: str, version: str, to: str) -> None:
    """Leave a note on the version that is left, for people; raises ConfigurationError if there is no such version."""
    from trainer.models.registry import find_version

    find_version(client, model, version=version)
    client.set_model_version_tag(model, version, ROLLED_BACK_TAG, to)
