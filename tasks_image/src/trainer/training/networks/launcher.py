"""torchrun for a step: `python -m trainer.training.networks.launcher FOLDER PROCESSES STEP MODULE…`.

It starts the processes, and starts all of them again where one is lost; they go on from the last checkpoint. They are
forked from a process that has imported the modules, since imports take a process longer than all else. All end with the
process whose id is STEP.
https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from pathlib import Path

from trainer.process.parent_death import die_with
from trainer.process.sigterm import ENDED
from trainer.training.networks import rank
from trainer.training.networks.handover import RESTARTS, Handover

SECONDS_TO_END = 5
"""For processes that got SIGTERM; a process may wait for one that is lost."""


def main(arguments: list[str]) -> int:
    """Run the processes to their end. Return 0, 1 if they failed once too often, or 143 after SIGTERM."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the step logs what was lost
    folder, processes, step, *modules = arguments
    die_with(int(step))
    multiprocessing.set_forkserver_preload(["torch", *modules, rank.__name__])
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(processes),
        run_id="training",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        start_method="forkserver",
        max_restarts=RESTARTS,
        shutdown_timeout=SECONDS_TO_END,
    )
    try:
        elastic_launch(config, rank.main)(folder, os.getpid())
    except ChildFailedError as error:
        Handover(Path(folder)).note_exit_codes({number: one.exitcode for number, one in error.failures.items()})
        return 1
    except SignalException:
        return ENDED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
