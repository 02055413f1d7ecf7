"""A network trained in this process, or in several, one for each GPU."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer import errors
from trainer.environment import rank_environment, read_means
from trainer.errors import FINAL_EXIT_CODES, LESS_MEMORY, ConfigurationError, ModelTrainingError, TrainerError
from trainer.training.networks.handover import RESTARTS, Handover
from trainer.training.networks.launcher import SECONDS_TO_END
from trainer.training.networks.loop import EpochEnd, Progress, train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.training.networks.handover import Failed
    from trainer.training.networks.plan import Plan

    Report = Callable[[EpochEnd | Progress], None]

SECONDS_BETWEEN_LOOKS = 0.1
IMPORTED = ("torch._dynamo", "transformers", "peft")
"""Modules that the processes need if this one has them."""


def processes_for(gpus: int) -> int:
    """Return one process for each GPU that the pod has or this run asks for, or one where it is none.

    Raises ConfigurationError if PyTorch sees fewer.
    """
    import torch

    asked, visible = max(gpus, read_means().gpus), torch.cuda.device_count()
    if visible < asked:
        raise ConfigurationError(
            f"gpu: {asked} GPUs are asked for, and PyTorch {torch.__version__} sees {visible}; ask for {visible}, or "
            "use a machine with more and an image whose PyTorch supports CUDA"
        )
    return max(1, asked)


def train_in_processes(plan: Plan, aside: Any, processes: int, report: Report) -> Any:
    """Train to the end and return the estimator; `report` gets each epoch once, and progress.

    With several processes, each computes its share of every batch. Where one is lost, all start again from the last
    checkpoint, up to three times. Raises the error that ended them, and ModelTrainingError where one was killed.
    """
    if processes == 1:
        training = plan()
        training.on_progress = report
        return train(training, aside, report)
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        handover = Handover(Path(folder))
        handover.give(plan, aside)
        with _launched(folder, processes) as launcher:
            _follow(launcher, handover, report)
        if launcher.returncode != 0:
            raise _error_of(handover, processes)
        return handover.estimator()


@contextlib.contextmanager
def _launched(folder: str, processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the processes, and end all of them where the block ends early.

    They are a process group of their own: SIGTERM reaches them through the launcher, which outlives them.
    """
    needed = [name for name in IMPORTED if name in sys.modules]
    command = [sys.executable, "-m", "trainer.training.networks.launcher", folder, str(processes), str(os.getpid())]
    launcher = subprocess.Popen(  # noqa: S603  (our own command)
        [*command, *needed], env=rank_environment(), stdin=subprocess.DEVNULL, process_group=0
    )
    try:
        yield launcher
    finally:
        if launcher.poll() is None:
            launcher.terminate()
            try:
                launcher.wait(2 * SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                launcher.kill()  # its processes end with it
                launcher.wait()


def _follow(launcher: subprocess.Popen[bytes], handover: Handover, report: Report) -> None:
    """Hand on reports until the processes have ended. Raises an error of theirs that no restart can change."""
    place, epochs, running = 0, 0, True
    while running:
        running = launcher.poll() is None
        reports, place = handover.reports(place)
        for one in reports:
            if isinstance(one, EpochEnd):
                if one.epoch <= epochs:
                    continue  # from before a restart
                epochs = one.epoch
            report(one)
        for failed in handover.failed():
            if failed.exit_code in FINAL_EXIT_CODES:
                raise _as_error(failed)
        time.sleep(SECONDS_BETWEEN_LOOKS if running else 0)


def _error_of(handover: Handover, processes: int) -> TrainerError:
    """Return the error that ended the processes at last: others fail because they wait for the first one."""
    killed = {rank: -code for rank, code in handover.exit_codes().items() if code < 0}
    for rank, number in killed.items():
        return ModelTrainingError(
            f"training process {rank} of {processes} was ended by {signal.Signals(number).name}, after "
            f"{RESTARTS} restarts from the last checkpoint; if memory ran out, {LESS_MEMORY}"
        )
    for failed in handover.failed():
        return _as_error(failed)
    return ModelTrainingError(f"the {processes} training processes ended without an error; the log has more")


def _as_error(failed: Failed) -> TrainerError:
    kind = getattr(errors, failed.error, None)
    if isinstance(kind, type) and issubclass(kind, TrainerError):
        return kind(failed.message)
    return ModelTrainingError(f"training process {failed.rank}: {failed.error}: {failed.message}")
