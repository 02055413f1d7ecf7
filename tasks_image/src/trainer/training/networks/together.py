"""A network trained in this process, or in several, one for each GPU, on one node or on several."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.environment import ONE_NODE
from trainer.training.networks.handover import Handover
from trainer.training.networks.loop import EpochEnd, Progress, train
from trainer.training.networks.processes import error_of, launched, raise_final

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from trainer.errors import TrainerError
    from trainer.training.networks.meeting import Meeting
    from trainer.training.networks.plan import Plan

    Report = Callable[[EpochEnd | Progress], None]

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_FOR_OTHER_NODES = 10.0
"""Until they have handed over why their processes failed, which they do at about the same time."""


def train_in_processes(plan: Plan, aside: Any, processes: int, report: Report, meeting: Meeting | None = None) -> Any:
    """Train to the end and return the estimator; `report` gets each epoch once, and progress.

    With several processes, `processes` on each node, each computes its share of every batch. Where one is lost, all
    start again from the last checkpoint, up to three times. With a meeting, those of other nodes take part.

    Raises the error that ended them: ProcessKilledError if one was killed, ModelTrainingError if nodes do not meet.
    """
    if processes == 1 and meeting is None:
        training = plan()
        training.on_progress = report
        return train(training, aside, report)
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        handover = Handover(Path(folder))
        handover.give(plan, aside)
        if meeting is not None:
            meeting.open(handover)
        with launched(folder, processes, meeting.nodes if meeting else ONE_NODE) as launcher:
            _follow(launcher, handover, report)
        if launcher.returncode != 0:
            raise _error_of(launcher.returncode, handover, processes, meeting)
        return handover.estimator()


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
        raise_final(handover)
        time.sleep(SECONDS_BETWEEN_LOOKS if running else 0)


def _error_of(exit_code: int, handover: Handover, processes: int, meeting: Meeting | None) -> TrainerError:
    if meeting is None:
        return error_of(exit_code, handover, processes)
    until = time.monotonic() + SECONDS_FOR_OTHER_NODES
    while not any(others := meeting.failed()) and time.monotonic() < until:
        time.sleep(meeting.seconds_between_looks)
    return error_of(exit_code, handover, processes * meeting.nodes.number, others)
