"""A training that is still to be made, in this process or in several others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from trainer.training.networks.loop import NetworkTraining
    from trainer.training.networks.ranks import Ranks


class Plan(Protocol):
    """Makes a training as one of some processes. It can be pickled, such as a `functools.partial` of the class."""

    def __call__(self, *, ranks: Ranks = ...) -> NetworkTraining[Any]:
        """Return the training of one process."""
