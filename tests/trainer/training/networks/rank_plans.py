"""Trainings that other processes can make, some of which fail on purpose."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.trainer.training.networks.test_loop import PARAMS, checkpoints, digits
from trainer.pipeline.images import NetworkParams
from trainer.training.networks.image_training import ImageTraining

EXACT: NetworkParams = PARAMS.model_copy(update={"batch_size": 15, "precision": "fp32", "dropout": 0.0})
"""Comparable between one process and several. The batch is odd, and the last one of the epoch smaller."""


class FailingTraining(ImageTraining):
    """A training whose process with rank 1 does something when it gets to a step: once, or each time."""

    def __init__(self, *values: Any, fails: Any, at: int, once: Path | None, **named: Any) -> None:
        self.fails, self.at, self.once = fails, at, once
        super().__init__(*values, **named)

    def _learn(self, chosen: Any) -> None:
        if self.step == self.at and self.ranks.rank == 1 and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            self.fails()
        super()._learn(chosen)


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def signals_parent() -> None:
    """Send SIGTERM to the step's process group, as Airflow does: its child is torchrun, which has this one forked."""
    _fork_server, _torchrun, step, *_ = psutil.Process().parents()
    os.killpg(os.getpgid(step.pid), signal.SIGTERM)


def kills_step(folder: Path) -> None:
    """Note this process's id, kill the step, and go on for a while."""
    (folder / "rank").write_text(str(os.getpid()))
    _fork_server, _torchrun, step, *_ = psutil.Process().parents()
    step.kill()
    time.sleep(60)


def raises(error: Exception) -> None:
    raise error


def plan(params: NetworkParams = EXACT) -> partial[ImageTraining]:
    return partial(ImageTraining, digits(), 2, params, 5)


def failing(folder: Path, fails: Any, at: int, *, minutes: float = 1e-9, each_time: bool = False) -> partial[Any]:
    params, once = EXACT.model_copy(update={"checkpoint_minutes": minutes}), None if each_time else folder / "failed"
    return partial(FailingTraining, digits(), 2, params, 5, checkpoints(folder), fails=fails, at=at, once=once)
