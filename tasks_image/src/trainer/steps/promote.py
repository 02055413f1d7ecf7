"""Move the aliases to the accepted version, if production is still what the decision compared with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.decision import require_promotion
from trainer.errors import ConfigurationError, PromotionConflictError
from trainer.run.records import AcceptResult, PromoteResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.pipeline import Pipeline
    from trainer.registry.history import Move
    from trainer.run import RunFolder
    from trainer.run.lock import HeldLock

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> PromoteResult:
    """Set `staging` and, if the run may, `production` and `previous_production`; done again, nothing changes.

    Raises PromotionConflictError if the alias `production` has moved since the decision, or if a rollback holds.
    """
    from trainer.registry.promotion import promotion_lock
    from trainer.registry.promotion_of_run import promotion_of
    from trainer.registry.tracking import connect
    from trainer.registry.versions import aliases_of

    if pipeline.run.promote_to == "none":
        raise ConfigurationError("step promote: this run promotes nothing (`promote_to: none`); start one that does")
    if pipeline.approval.when != "never":
        require_promotion(pipeline, run)
    client = connect()
    accepted = run.at("accept").result(AcceptResult)
    move = promotion_of(run, accepted.version)
    with promotion_lock(run, pipeline.name, accepted.model, run.at("").uri) as lock:
        _move(client, pipeline, accepted.model, move, lock)
        aliases = aliases_of(client, accepted.model)
    _check_moved(pipeline, accepted, aliases)
    logger.info("%s: %s", accepted.model, ", ".join(f"{name} → {version}" for name, version in aliases.items()))
    return PromoteResult(model=accepted.model, version=accepted.version, aliases=aliases)


def _move(client: MlflowClient, pipeline: Pipeline, model: str, move: Move, lock: HeldLock) -> None:
    from trainer.registry.promotion import check_unmoved, to_production
    from trainer.registry.versions import STAGING

    may = pipeline.run.promote_to == "production"
    if may:
        check_unmoved(client, model, move.version, move.before)
    client.set_registered_model_alias(model, STAGING, move.version)
    if may:
        to_production(client, model, move, lock)


def _check_moved(pipeline: Pipeline, accepted: AcceptResult, aliases: dict[str, str]) -> None:
    """What the registry says afterwards must be what was asked for."""
    from trainer.registry.promotion import named
    from trainer.registry.versions import PRODUCTION, STAGING

    alias = PRODUCTION if pipeline.run.promote_to == "production" else STAGING
    if aliases.get(alias) != accepted.version:
        raise PromotionConflictError(
            f"{accepted.model}: {alias} was moved to version {accepted.version}, and now it is "
            f"{named(aliases.get(alias, ''))}; somebody moved it in the same moment, and it stays there"
        )
