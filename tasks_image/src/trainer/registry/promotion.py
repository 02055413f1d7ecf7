"""Moves of the alias `production`: forward by a run, back by a person, one at a time."""

from __future__ import annotations

import contextlib
import logging
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from trainer.errors import ConfigurationError, PromotionConflictError
from trainer.registry.anchor import ANCHOR_TAG, PROMOTED_AS_TAG, REPLACES_TAG
from trainer.registry.history import Move, person, record_move
from trainer.registry.tracking import PIPELINE_TAG
from trainer.registry.versions import PREVIOUS, PRODUCTION, RUN_FOLDER_TAG, find_version, refuse_unknown, version_of
from trainer.run.folder import RunFolder
from trainer.run.lock import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.run.lock import HeldLock

logger = logging.getLogger(__name__)

NOTHING = "none"
ROLLED_BACK_TAG = "trainer.rolled_back_to"
ROLLBACK_TAG = "trainer.rollback"
"""Of a registered model, for as long as a rollback holds."""
LOCKS = ".locks"


class Rollback(BaseModel, frozen=True):
    """A rollback that holds: until a person releases it, no run promotes to production."""

    left: str
    """The version that was production."""
    to: str
    """The version that has been production since."""
    at: str
    """ISO 8601, UTC."""

    def sentence(self, model: str) -> str:
        """What holds, since when, and how it is released."""
        return (
            f"a rollback from version {self.left} to {self.to} holds since {self.at}: no run promotes over it. "
            f"To let runs promote again: trainer rollback {model} --release"
        )


def rollback_of(client: MlflowClient, model: str) -> Rollback | None:
    """The rollback that holds for a model, or None."""
    found = client.search_registered_models(filter_string=f"name = '{model}'", max_results=1)
    text = found[0].tags.get(ROLLBACK_TAG) if found else None
    return Rollback.model_validate_json(text) if text else None


def promotion_lock(
    run_folder: RunFolder, pipeline: str, model: str, owner: str
) -> contextlib.AbstractContextManager[HeldLock]:
    """The lock under which production of a model moves; it lies in the artifact store of a run folder.

    That of a run by hand, whose folder does not lie in one, is beside the folder.
    """
    store = run_folder.at("").uri.rsplit("/", 1)[0].removesuffix(f"/{pipeline}")
    folder = RunFolder.open(f"{store}/{LOCKS}/{model}", run_folder.filesystem)
    return locked(folder, owner)


def check_unmoved(client: MlflowClient, model: str, version: str, compared_with: str) -> None:
    """Raise PromotionConflictError unless a version may become production.

    Production must be what the decision compared with, or already this version (an earlier try got that far), and no
    rollback may hold.
    """
    current = version_of(client, model, PRODUCTION)
    found = str(current.version) if current else ""
    if rollback := rollback_of(client, model):
        raise PromotionConflictError(f"{model}: {rollback.sentence(model)}")
    if found not in (compared_with, version):
        raise PromotionConflictError(
            f"{model}: the decision compared with {named(compared_with)}, and now production is "
            f"{named(found)}; somebody moved it. It stays there; start a new run to compare with what is there now"
        )


def to_production(client: MlflowClient, model: str, move: Move, lock: HeldLock) -> None:
    """Make the move of production to a version; done again, nothing changes.

    The ground of the promotion, the anchor and the way back are written first, as tags of the version, then the move's
    record, so that a kill between the aliases loses nothing.
    """
    for tag, value in ((PROMOTED_AS_TAG, move.promoted_as), (ANCHOR_TAG, move.anchor)):
        if value:
            client.set_model_version_tag(model, move.version, tag, value)
    client.set_model_version_tag(model, move.version, REPLACES_TAG, move.before or NOTHING)
    check_unmoved(client, model, move.version, move.before)
    lock.check()
    record_move(client, model, move)
    client.set_registered_model_alias(model, PRODUCTION, move.version)
    if move.before:
        client.set_registered_model_alias(model, PREVIOUS, move.before)


def roll_back(client: MlflowClient, model: str, leaving: str, by: str = "", why: str = "") -> str:
    """Move production from the version `leaving` to the one before; gives what happened as a sentence.

    The history names `by`, or the user and the machine, and `why`. Asked again, it changes nothing. Raises
    ConfigurationError if there is nothing to go back to, and PromotionConflictError if production is another version.
    """
    tags = find_version(client, model, version=leaving).tags
    recorded, pipeline = tags.get(RUN_FOLDER_TAG), tags.get(PIPELINE_TAG, "")
    if not recorded:  # no run has made it, so no run's store has the lock
        return _move_back(client, model, leaving, by, why)
    with contextlib.ExitStack() as stack:
        try:
            owner = f"a rollback of {model} on {socket.gethostname()}"
            stack.enter_context(promotion_lock(RunFolder.open(recorded), pipeline, model, owner))
        except Exception as error:  # noqa: BLE001  (a person may have MLflow's rights only, and has to get production back)
            logger.warning(
                "the lock beside %s is not to be had (%s: %s): a promotion at this very moment is not kept out",
                recorded, type(error).__name__, error,
            )  # fmt: skip
        return _move_back(client, model, leaving, by, why)


def _move_back(client: MlflowClient, model: str, leaving: str, by: str, why: str) -> str:
    now = str(find_version(client, model, alias=PRODUCTION).version)
    before = _way_back(client, model, leaving)
    if now == before and now != leaving:
        return f"{model}: production is version {now} already; nothing moved; {_hold(client, model, leaving, before)}"
    if now != leaving:
        raise PromotionConflictError(
            f"{model}: production is version {now}, not {leaving}; somebody moved it. Nothing moves; "
            f"to leave version {now}, ask with --from {now}"
        )
    if before in (now, NOTHING):
        raise ConfigurationError(f"{model}: nothing was production before version {now}: nothing to go back to")
    find_version(client, model, version=before)  # it may have been deleted
    sentence = _hold(client, model, leaving, before)  # first: a kill may not lose it
    client.set_model_version_tag(model, leaving, ROLLED_BACK_TAG, before)
    record_move(client, model, Move(kind="rollback", before=leaving, version=before, by=by or person(), why=why))
    client.set_registered_model_alias(model, PREVIOUS, before)
    client.set_registered_model_alias(model, PRODUCTION, before)
    return f"{model}: production {leaving} → {before}; {sentence}"


def _hold(client: MlflowClient, model: str, leaving: str, before: str) -> str:
    """Let a rollback hold, unless one does already; gives it as a sentence."""
    held = rollback_of(client, model)
    if held is None:
        held = Rollback(left=leaving, to=before, at=datetime.now(UTC).isoformat(timespec="seconds"))
        client.set_registered_model_tag(model, ROLLBACK_TAG, held.model_dump_json())
    return held.sentence(model)


def _way_back(client: MlflowClient, model: str, version: str) -> str:
    """What was production before a version: as its promotion recorded it, else as the alias has it."""
    recorded = find_version(client, model, version=version).tags.get(REPLACES_TAG)
    return recorded or str(find_version(client, model, alias=PREVIOUS).version)


def release(client: MlflowClient, model: str) -> str:
    """End a rollback, so that runs promote again; gives what happened as a sentence."""
    refuse_unknown(client, model)
    held = rollback_of(client, model)
    if held is None:
        return f"{model}: no rollback holds; nothing changed"
    now = version_of(client, model, PRODUCTION)
    live = str(now.version) if now else ""
    record_move(client, model, Move(kind="release", before=live, version=live, by=person()))
    client.delete_registered_model_tag(model, ROLLBACK_TAG)
    return f"{model}: the rollback from version {held.left} to {held.to} is released: runs may promote again"


def named(version: str) -> str:
    """A version as a message names it."""
    return f"version {version}" if version else "no version"
