"""torchrun for a step: `python -m trainer.training.networks.launcher FOLDER PROCESSES STEP MODULE…`.

It starts the processes of this node, and starts them again where one is lost, on this node or on another; they go on
from the last checkpoint. They are forked from a process that has imported the modules, since imports take a process
longer than all else. All end with the process whose id is STEP.
https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import sys
from pathlib import Path
from typing import Any

from trainer.environment import nodes_variables
from trainer.process.parent_death import die_with
from trainer.process.sigterm import ENDED
from trainer.training.networks import rank
from trainer.training.networks.handover import RESTARTS, Handover

SECONDS_TO_END = 5
"""For processes that got SIGTERM; a process may wait for one that is lost."""
MEETING_LOST = 75
"""The exit code if the other nodes are not met, or not any more (EX_TEMPFAIL of sysexits.h)."""
SECONDS_TO_MEET = 7200
"""For the other nodes. A task gives up a Job with a pod that does not start in time; this is for when none watches."""
KEEP_ALIVE = {"keep_alive_interval": 3, "keep_alive_max_attempt": 3}
"""Seconds between a node's signs of life, and how many of these may be missing."""


def main(arguments: list[str]) -> int:
    """Run the processes to their end. Return 0, 1 if they failed once too often, 75 if other nodes are lost, or 143."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.launcher.api import elastic_launch

    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the step logs what was lost
    folder, processes, step, *modules = arguments
    die_with(int(step))
    multiprocessing.set_forkserver_preload(["torch", *modules, rank.__name__])
    handover = Handover(Path(folder))
    try:
        elastic_launch(_configuration(handover, int(processes)), rank.main)(folder, os.getpid())
    except ChildFailedError as error:
        handover.note_exit_codes({number: one.exitcode for number, one in error.failures.items()})
        return 1
    except RendezvousError as error:
        handover.note_lost_meeting(f"{type(error).__name__}: {error}")
        return MEETING_LOST
    except SignalException:
        return ENDED
    return 0


def _configuration(handover: Handover, processes: int) -> Any:
    """Nodes meet only if they have the same training, by its digest: so they unpickle what the step has given."""
    from torch.distributed.launcher.api import LaunchConfig

    from trainer.training.networks import rendezvous

    nodes = nodes_variables()
    host, port = nodes.store
    return LaunchConfig(
        min_nodes=nodes.number,
        max_nodes=nodes.number,
        nproc_per_node=processes,
        run_id=handover.digest(),
        rdzv_backend=rendezvous.register(nodes, handover.note_start),
        rdzv_endpoint=f"{host}:{port}",
        rdzv_configs={"is_host": nodes.index == 0, "join_timeout": SECONDS_TO_MEET, **KEEP_ALIVE},
        local_addr="localhost" if nodes.number == 1 else socket.gethostname(),
        start_method="forkserver",
        max_restarts=RESTARTS,
        shutdown_timeout=SECONDS_TO_END,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
