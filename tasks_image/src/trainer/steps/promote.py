"""Move the aliases to the accepted version, if production is still what the decision compared with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.decision import DecisionResult
from trainer.errors import PromotionConflictError
from trainer.run.results import AcceptResult, PromoteResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> PromoteResult:
    """Set `staging` and, if the run may, `previous_production` and then `production`; done again, nothing changes.

    Raises PromotionConflictError where the alias `production` has moved since the decision.
    """
    from trainer.models.registry import STAGING, aliases_of
    from trainer.tracking import connect

    client = connect()
    accepted = run.at("accept").result(AcceptResult)
    compared_with = run.at("decide").result(DecisionResult).compared_with
    if pipeline.run.promote_to == "production":
        _check_unmoved(client, accepted, compared_with)
    client.set_registered_model_alias(accepted.model, STAGING, accepted.version)
    if pipeline.run.promote_to == "production":
        _to_production(client, accepted, compared_with)
    aliases = aliases_of(client, accepted.model)
    _check_moved(pipeline, accepted, aliases)
    logger.info("%s: %s", accepted.model, ", ".join(f"{name} → {version}" for name, version in aliases.items()))
    return PromoteResult(model=accepted.model, version=accepted.version, aliases=aliases)


def _check_unmoved(client: MlflowClient, accepted: AcceptResult, compared_with: str) -> None:
    """Production must be what the decision compared with, or already this version (an earlier try got that far)."""
    from trainer.models.registry import PRODUCTION, version_of

    current = version_of(client, accepted.model, PRODUCTION)
    found = str(current.version) if current else ""
    if found not in (compared_with, accepted.version):
        raise PromotionConflictError(
            f"{accepted.model}: the decision compared with {_named(compared_with)}, and now production is "
            f"{_named(found)}; somebody moved it. It stays there; start a new run to compare with what is there now"
        )


def _to_production(client: MlflowClient, accepted: AcceptResult, compared_with: str) -> None:
    """The way back is written first, and only from the decision, so that no retry can overwrite it.

    MLflow cannot compare and set: the last look stands right before the move.
    """
    from trainer.models.registry import PREVIOUS, PRODUCTION

    if compared_with:
        client.set_registered_model_alias(accepted.model, PREVIOUS, compared_with)
    _check_unmoved(client, accepted, compared_with)
    client.set_registered_model_alias(accepted.model, PRODUCTION, accepted.version)


def _check_moved(pipeline: Pipeline, accepted: AcceptResult, aliases: dict[str, str]) -> None:
    """What the registry says afterwards must be what was asked for."""
    from trainer.models.registry import PRODUCTION, STAGING

    alias = PRODUCTION if pipeline.run.promote_to == "production" else STAGING
    if aliases.get(alias) != accepted.version:
        raise PromotionConflictError(
            f"{accepted.model}: {alias} was moved to version {accepted.version}, and now it is "
            f"{_named(aliases.get(alias, ''))}; somebody moved it in the same moment, and it stays there"
        )


def _named(version: str) -> str:
    return f"version {version}" if version else "no version"
