"""The targets that an environment can name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.deployment.local_target import LocalTarget
from trainer.errors import ConfigurationError
from trainer.serving.state import ADDRESS_FILE

if TYPE_CHECKING:
    from trainer.deployment.target import Target

LOCAL = "local"


def serves(address: str, model: str) -> bool:
    """Return True if the target at an address serves a model; a router that was killed counts."""
    kind, _, place = address.partition("://")
    return kind != LOCAL or (Path(place) / model / ADDRESS_FILE).exists()


def target_of(address: str, model: str) -> Target:
    """Return the target at an address of the environment: `local:///folder` or `kserve://namespace`.

    Raises ConfigurationError if there is none.
    """
    kind, _, place = address.partition("://")
    if kind == LOCAL and place:
        return LocalTarget(place, model)
    raise ConfigurationError(
        f"serving: {address!r} is not a target to deploy to; the environment says `serving: local:///folder`"
    )
