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
    joined, waits_since = "", time.monotonic()
    while not (situation := step.situation()).ended:
        if situation.plan not in {"", joined}:
            joined = situation.plan
            _join(step, joined)
            waits_since = time.monotonic()
        elif time.monotonic() - waits_since > SECONDS_WITHOUT_THE_STEP:
            raise ModelTrainingError(
                f"the step on the first of {meeting.nodes.number} nodes has neither given a training nor ended for "
                f"{SECONDS_WITHOUT_THE_STEP / 60:g} minutes; see the log of its pod"
            )
        time.sleep(meeting.seconds_between_looks)


class _Step:
    """The step as this node sees it; a store that is away for a while does not end a training."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
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


def _join(step: _Step, plan: str) -> None:
    """Train to the end of this training, or until the step is lost and begins anew."""
    meeting = step.meeting
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        handover = Handover(Path(folder))
        if not meeting.fetch(plan, handover):
            return
        processes = processes_for(0)
        logger.info("node %d of %d trains with %d processes", meeting.nodes.index, meeting.nodes.number, processes)
        with launched(folder, processes, meeting.nodes) as launcher:
            while launcher.poll() is None:
                raise_final(handover)
                if step.situation().plan != plan:
                    logger.warning("the step has begun anew; this node joins it again")
                    return
                with contextlib.suppress(TimeoutExpired):
                    launcher.wait(meeting.seconds_between_looks)
        if launcher.returncode == MEETING_LOST:
            logger.warning("the other nodes are lost (%s); this node waits for the step", handover.lost_meeting())
        elif launcher.returncode:
            meeting.report_failed(handover)
            raise error_of(launcher.returncode, handover, processes)
