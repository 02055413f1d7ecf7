"""The processes of a data-parallel training, and what they exchange."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

    from trainer.environment import Torchrun

T = TypeVar("T")

LONGEST_WAIT = timedelta(minutes=30)
"""For another process; a lost one is noticed by torchrun at once."""


@dataclass
class Ranks:
    """The processes that train one network together, by their rank; alone, nothing is exchanged."""

    rank: int = 0
    number: int = 1
    has_to_end: bool = False
    """True once this process got SIGTERM."""
    one_has_to_end: bool = False
    """True once all processes know, after the same step, that one of them got SIGTERM."""

    def share(self, rows: Any) -> Any:
        """Return the rows of this process: of a tensor, an array or a list."""
        return rows if self.number == 1 else rows[self.rank :: self.number]

    def wrapped(self, network: Any) -> Any:
        """Return the network as it is called, so that all processes get the mean of their gradients."""
        if self.number == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        # Buffers would be sent at every call, and processes may differ in the number of calls for a batch.
        return DistributedDataParallel(network, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def summing_gradients(self, model: Any, now: bool) -> contextlib.AbstractContextManager[Any]:  # noqa: FBT001
        """While the block runs, exchange gradients, or let them add up in each process until they are exchanged."""
        return contextlib.nullcontext() if now or self.number == 1 else model.no_sync()

    def summed(self, *values: float) -> list[float]:
        """Return the sums over all processes, which learn in the same exchange if one of them has to end."""
        if self.number == 1:
            return [*values]
        import torch

        both = torch.tensor([*values, float(self.has_to_end)], dtype=torch.float64)
        torch.distributed.all_reduce(both)
        sums: list[float]
        *sums, ending = both.tolist()
        self.one_has_to_end = self.one_has_to_end or ending > 0
        return sums

    def from_first(self, value: T) -> T:
        """Return the value of the process with rank 0."""
        if self.number == 1:
            return value
        import torch

        both = [value]
        torch.distributed.broadcast_object_list(both, src=0, device=torch.device("cpu"))
        return both[0]


ALONE = Ranks()


def join(started: Torchrun, start: str, device: torch.device) -> Ranks:
    """Join the others: gradients of GPUs go through NCCL, all else through gloo.

    After a restart torchrun's store still has the addresses of the start before, so each start has keys of its own, by
    the name on which the nodes have agreed; a node that takes the place of a lost one has not been started as often.
    The process group is never destroyed: gloo's threads may wait for Python's lock then, while they are waited for.
    """
    import torch
    from torch.distributed import PrefixStore, TCPStore

    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    whole = TCPStore(started.host, started.port, is_master=False, timeout=LONGEST_WAIT)
    torch.distributed.init_process_group(
        backend,
        store=PrefixStore(f"start-{start}", whole),
        rank=started.rank,
        world_size=started.processes,
        timeout=LONGEST_WAIT,
    )
    return Ranks(started.rank, started.processes)
