"""One of the processes that train a network together."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

from trainer.environment import cores, torchrun_variables, variable
from trainer.errors import TrainerError
from trainer.process import logs
from trainer.process.parent_death import die_with
from trainer.training.networks.handover import RESTARTS, Failed, Handover
from trainer.training.networks.loop import EpochEnd, NetworkTraining, Progress, train
from trainer.training.networks.ranks import Ranks, join

logger = logging.getLogger(__name__)

SECONDS_FOR_THE_FIRST = 0.5
"""A process that fails because another one did ends later than that one, whose error counts."""


def main(folder: str, launcher: int) -> None:
    """Train to the end; only the process with rank 0 logs and hands over. An error ends it with its exit code.

    `launcher` is the id of torchrun's process: the server that this one is forked from outlives it.
    """
    die_with(launcher)
    handover, rank = Handover(Path(folder)), torchrun_variables().rank
    logs.set_up(variable("log_format") or "text")
    if rank > 0:
        logging.disable(logging.ERROR)
    try:
        _train(handover)
    except SystemExit as end:  # after SIGTERM
        os._exit(int(end.code or 0))
    except Exception as error:  # noqa: BLE001  (the step raises it)
        code = error.exit_code if isinstance(error, TrainerError) else 1
        handover.fail(Failed(rank, type(error).__name__, str(error), code, time.time()))
        time.sleep(SECONDS_FOR_THE_FIRST)
        os._exit(code)  # taking gloo down would wait for the others for ever


def _train(handover: Handover) -> None:
    import torch

    started = torchrun_variables()
    if started.restarts and started.rank == 0:
        logger.warning(
            "a training process failed or was lost: all %d go on from the last checkpoint (restart %d of %d)",
            started.processes, started.restarts, RESTARTS,
        )  # fmt: skip
    device = NetworkTraining.chosen_device()
    if device.type == "cuda":
        torch.cuda.set_device(started.local_rank)
    torch.set_num_threads(max(1, cores() // started.local_processes))
    plan, aside = handover.take()
    ranks = join(started, handover.start(), device)
    signal.signal(signal.SIGTERM, lambda *_: _end_after_step(ranks))
    training = plan(ranks=ranks)
    report = handover.report if ranks.rank == 0 else _nothing
    training.on_progress = report
    estimator = train(training, aside, report)
    if ranks.rank == 0:
        handover.finish(estimator)


def _end_after_step(ranks: Ranks) -> None:
    """Let all processes end after the same step: one that waited for another could not write a checkpoint."""
    ranks.has_to_end = True


def _nothing(report: EpochEnd | Progress) -> None:
    """Only the process with rank 0 reports."""
