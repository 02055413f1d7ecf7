"""A node that trains beside the one with the step: it joins each training that the step gives, until that is done."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from trainer.errors import ModelTrainingError
from trainer.run.outages import outage_explained
from trainer.training.networks.handover import Handover
from trainer.training.networks.launcher import MEETING_LOST
from trainer.training.networks.meeting import Situation
from trainer.training.networks.processes import error_of, launched, processes_for, raise_final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.training.networks.meeting import Meeting

logger = logging.getLogger(__name__)

SECONDS_WITHOUT_THE_STEP = 7200
"""For a training to be given: the step reads its rows first, and may have to wait for a machine."""
SECONDS_WITHOUT_THE_STORE = 600
"""For the run folder to be readable again."""


def take_part(meeting: Meeting) -> None:
    """Train until the step is done. A step that is lost and begins anew gives its training again.

    Raises the error that ended its processes, and ModelTrainingError if the step gives no training for two hours.
    """
    step = _Step(meeting)
    joined = ""
    while not (situation := step.situation()).ended:
        if situation.plan not in {"", joined} and _join(step, situation.plan):
            joined = situation.plan
        elif time.monotonic() - step.met_at > SECONDS_WITHOUT_THE_STEP:
            raise ModelTrainingError(
                f"the step on the first of {meeting.nodes.number} nodes has neither given a training nor ended for "
                f"{SECONDS_WITHOUT_THE_STEP / 60:g} minutes; see the log of its pod"
            )
        time.sleep(meeting.seconds_between_looks)


class _Step:
    """The step as this node sees it; a store that is away for a while does not end a training."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.met_at = time.monotonic()
        """The end of the last training that the nodes met for, or the beginning."""
        self._last, self._seen_at = Situation(), time.monotonic()

    def situation(self) -> Situation:
        """Return the situation as it was seen last. Raises OSError if it could not be read for ten minutes."""
        try:
            self._last, self._seen_at = self.meeting.situation(), time.monotonic()
        except Exception as error:
            explained = outage_explained(error, self.meeting.step.uri)
            if not isinstance(explained, OSError) or time.monotonic() - self._seen_at > SECONDS_WITHOUT_THE_STORE:
                raise explained from error
            logger.warning("the step cannot be seen just now: %s", explained)
        return self._last

    @contextlib.contextmanager
    def noting_meeting(self, handover: Handover) -> Iterator[None]:
        """Note at the end of the block if the nodes have met in it."""
        try:
            yield
        finally:
            if handover.has_met():
                self.met_at = time.monotonic()


def _join(step: _Step, plan: str) -> bool:
    """Train to the end of this training, or until the step is lost and begins anew; False if it was not met."""
    meeting = step.meeting
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        handover = Handover(Path(folder))
        if not meeting.fetch(plan, handover):
            return False
        processes = processes_for(0)
        logger.info("node %d of %d trains with %d processes", meeting.nodes.index, meeting.nodes.number, processes)
        with step.noting_meeting(handover), launched(folder, processes, meeting.nodes) as launcher:
            while launcher.poll() is None:
                raise_final(handover)
                if (now := step.situation()).plan != plan:
                    if not now.ended:
                        logger.warning("the step has begun anew; this node joins it again")
                    return False
                with contextlib.suppress(TimeoutExpired):
                    launcher.wait(meeting.seconds_between_looks)
        if launcher.returncode == MEETING_LOST:
            logger.warning("the other nodes are not met (%s); this node tries again", handover.lost_meeting())
            return False
        if launcher.returncode:
            meeting.report_failed(handover)
            raise error_of(launcher.returncode, handover, processes)
        return True
