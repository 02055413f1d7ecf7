"""The anchor: the version that the margins of the rule `not_worse` count from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.registry.versions import version_or_none

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PROMOTED_AS_TAG = "trainer.promoted_as"
"""Of a version that was promoted to production: `first`, `better` or `not_worse`."""
ANCHOR_TAG = "trainer.anchor"
"""Of a version that was promoted to production: the version that margins count from while it is production. One that
was promoted as better, or first, is its own anchor."""
REPLACES_TAG = "trainer.replaces"
"""Of a version that was promoted: the version that was production before it, or `none`."""
_REMEDY = (
    "to begin anew, use `rule: better` until a run has promoted a version, or let the alias name a version that a run "
    "has promoted"
)


@dataclass(frozen=True)
class Anchor:
    """The anchor of a production version."""

    version: str
    """Empty if there is none."""
    missing: str = ""
    """The reason for which there is none."""


def anchor_of(client: MlflowClient, production: ModelVersion) -> Anchor:
    """Return the anchor that a production version was promoted with.

    It follows the alias: after a rollback, or a move by hand, it is that of the version that is production then. A
    version that no run has promoted has none.
    """
    number = anchor_number(production)
    if not number:
        reason = f"production version {production.version} has no tag {ANCHOR_TAG}: no run has promoted it"
        return Anchor("", f"{reason}; {_REMEDY}")
    if version_or_none(client, production.name, number) is None:
        reason = f"version {number}, the anchor of production version {production.version}, has been deleted"
        return Anchor("", f"{reason}; {_REMEDY}")
    return Anchor(number)


def anchor_number(version: ModelVersion) -> str:
    """Return the anchor that a version names, or an empty string; it may have been deleted.

    Earlier releases wrote no such tag, and promoted only what was better, or first.
    """
    tags = version.tags
    own = str(version.version) if REPLACES_TAG in tags else ""
    return str(tags.get(ANCHOR_TAG, own))
