"""The processes of this node that train a network, as the process that has started them sees them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from trainer import errors
from trainer.environment import rank_environment, read_means
from trainer.errors import (
    FINAL_EXIT_CODES,
    LESS_MEMORY,
    ConfigurationError,
    ModelTrainingError,
    ProcessKilledError,
    TrainerError,
)
from trainer.training.networks.handover import RESTARTS
from trainer.training.networks.launcher import MEETING_LOST, SECONDS_TO_END

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainer.environment import Nodes
    from trainer.training.networks.handover import Failed, Handover

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


@contextlib.contextmanager
def launched(folder: str, processes: int, nodes: Nodes) -> Iterator[subprocess.Popen[bytes]]:
    """Start the processes, and end all of them where the block ends early.

    They are a process group of their own: SIGTERM reaches them through the launcher, which outlives them.
    """
    needed = [name for name in IMPORTED if name in sys.modules]
    command = [sys.executable, "-m", "trainer.training.networks.launcher", folder, str(processes), str(os.getpid())]
    launcher = subprocess.Popen(  # noqa: S603  (our own command)
        [*command, *needed], env=rank_environment(nodes), stdin=subprocess.DEVNULL, process_group=0
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


def raise_final(handover: Handover) -> None:
    """Raise an error of the processes that no restart can change."""
    for failed in handover.failed():
        if failed.exit_code in FINAL_EXIT_CODES:
            raise _as_error(failed)


def error_of(
    exit_code: int,
    handover: Handover,
    processes: int,
    others: tuple[list[Failed], Mapping[int, int]] = ([], {}),
) -> TrainerError:
    """Return the error that ended the processes at last: others fail because they wait for the first one.

    `exit_code` is the launcher's, `others` what is known of the processes of other nodes.
    """
    if exit_code == MEETING_LOST and not any(others):  # else a node that has failed has ended the meeting
        return ModelTrainingError(f"the nodes have not met, or lost each other: {handover.lost_meeting()}")
    exit_codes = {**others[1], **handover.exit_codes(), **({0: exit_code} if exit_code < 0 else {})}
    killed = {rank: -code for rank, code in exit_codes.items() if code < 0}
    for rank, number in killed.items():
        kind = ProcessKilledError if number == signal.SIGKILL else ModelTrainingError
        return kind(
            f"training process {rank} of {processes} was ended by {signal.Signals(number).name}, after "
            f"{RESTARTS} restarts from the last checkpoint; if memory ran out, {LESS_MEMORY}"
        )
    for failed in sorted([*handover.failed(), *others[0]], key=lambda one: one.at):
        return _as_error(failed)
    return ModelTrainingError(f"the {processes} training processes ended without an error; the log has more")


def _as_error(failed: Failed) -> TrainerError:
    kind = getattr(errors, failed.error, None)
    if isinstance(kind, type) and issubclass(kind, TrainerError):
        return kind(failed.message)
    return ModelTrainingError(f"training process {failed.rank}: {failed.error}: {failed.message}")
