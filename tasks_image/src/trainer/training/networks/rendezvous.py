"""torchrun's rendezvous, with ranks by the number of the node.

https://docs.pytorch.org/docs/stable/elastic/rendezvous.html
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStateError,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import create_handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.distributed import Store

    from trainer.environment import Nodes

BACKEND = "numbered-nodes"
LONGEST_WAIT = timedelta(seconds=60)
"""For the other nodes of a round, all of which have just joined it."""


def register(nodes: Nodes, note_start: Callable[[str], None]) -> str:
    """Make torchrun know this rendezvous, and return its name. `note_start` gets the name of each start."""

    def made(parameters: RendezvousParameters) -> RendezvousHandler:
        backend, store = create_backend(parameters)
        return NumberedNodes(create_handler(store, backend, parameters), nodes, note_start)

    rendezvous_handler_registry.register(BACKEND, made)
    return BACKEND


class NumberedNodes(RendezvousHandler):  # type: ignore[misc]  # torch has no types for mypy here
    """The c10d rendezvous, in which the node with index 0 has rank 0, whichever came first.

    The step runs there, and torchrun's store as well. A node that is replaced comes back with the same index.
    """

    def __init__(self, inner: RendezvousHandler, nodes: Nodes, note_start: Callable[[str], None]) -> None:
        self._inner, self._nodes, self._note_start = inner, nodes, note_start

    def next_rendezvous(self) -> RendezvousInfo:
        """Join the next round, and agree on the name of this start.

        Raises RendezvousStateError if two nodes have the same number.
        """
        found = self._inner.next_rendezvous()
        self._note_start(self._agree(found.store))
        return RendezvousInfo(found.store, self._nodes.index, found.world_size, self._meeting(found))

    def _agree(self, store: Store) -> str:
        """Return the name that the first node gives to this start; other starts have other keys in torchrun's store."""
        if self._nodes.index == 0:
            store.set("start", uuid.uuid4().hex)
        store.add(f"node-{self._nodes.index}", 1)
        expected = [f"node-{index}" for index in range(self._nodes.number)]
        try:
            store.wait([*expected, "start"], LONGEST_WAIT)
        except (RuntimeError, ValueError) as error:
            last = self._nodes.number - 1
            raise RendezvousStateError(f"nodes have met, but not each of the numbers 0 to {last}: {error}") from error
        return str(store.get("start").decode())

    def _meeting(self, found: RendezvousInfo) -> RendezvousStoreInfo:
        """Return the address of the store on the first node, which lives as long as the step."""
        if self._nodes.number == 1:
            return found.bootstrap_store_info
        return RendezvousStoreInfo(*self._nodes.store)

    def get_backend(self) -> str:
        """Return the name of this rendezvous."""
        return BACKEND

    def is_closed(self) -> bool:
        """Return True once the nodes do not meet any more."""
        return bool(self._inner.is_closed())

    def set_closed(self) -> None:
        """Let the nodes not meet any more."""
        self._inner.set_closed()

    def num_nodes_waiting(self) -> int:
        """Return the number of nodes that came after the round was complete."""
        return int(self._inner.num_nodes_waiting())

    def get_run_id(self) -> str:
        """Return the name of the training."""
        return str(self._inner.get_run_id())

    def shutdown(self) -> bool:
        """Leave the rendezvous; True if that was said to the others."""
        return bool(self._inner.shutdown())
