"""The targets that an environment can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.deployment.local_target import LocalTarget
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.deployment.target import Target

LOCAL = "local"


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
