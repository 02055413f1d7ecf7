"""The state of a Job and of its pods, and what its end means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.operators.base import OUT_OF_TIME
from include.operators.pods.endings import OOM_EXIT, Ending, deadline_passed, ended_at, ending_of, exit_code_of
from include.operators.pods.job_manifest import ENDED_BY_SIGTERM, INDEX
from trainer.errors import FINAL_EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMPLETE, FAILED = "Complete", "Failed"


@dataclass(frozen=True)
class JobState:
    """A Job when it has ended, or when one of its pods cannot start."""

    job: Any
    pods: Sequence[Any]
    stuck: Any | None = None
    """The pod that cannot start, or does not end."""

    @property
    def is_complete(self) -> bool:
        """True if each of its pods has succeeded."""
        return getattr(condition_of(self.job), "type", "") == COMPLETE

    @property
    def culprit(self) -> Any | None:
        """The pod whose end explains that of the Job; None if none failed.

        When one fails, others fail as well, or get SIGTERM: memory that ran out and final errors explain the most,
        and of other errors that of the step, which knows what became of all processes.
        """
        failed = [pod for pod in self.pods if pod.status.phase == "Failed"]
        return self.stuck or min(failed, key=_rank, default=None)

    def ending(self, events_of: Callable[[Any], Sequence[Any]], deadline: int | None = None) -> Ending:
        """Return why the Job has failed; `deadline` are the seconds that the pipeline gives it."""
        why = condition_of(self.job)
        if self.stuck is None and why is not None and why.reason == "DeadlineExceeded":
            own = self.job.spec.active_deadline_seconds == deadline
            return deadline_passed(why.message) if own else Ending("StepTimeout", OUT_OF_TIME, "retry")
        if (pod := self.culprit) is not None:
            return ending_of(pod, events_of(pod))
        said = f"{why.reason}: {why.message}" if why is not None else "no reason is given"
        return Ending("JobFailed", f"the Job has failed, and none of its pods says why ({said})", "retry")


def condition_of(job: Any) -> Any | None:
    """Return the condition that says how a Job has ended; None while it goes on."""
    conditions = (job.status.conditions if job.status else None) or []
    return next((one for one in conditions if one.type in {COMPLETE, FAILED} and one.status == "True"), None)


def index_of(pod: Any) -> int:
    """Return the number of a pod within its Job; the first one has the step."""
    return int((pod.metadata.labels or {}).get(INDEX, 0))


def _rank(pod: Any) -> tuple[int, int, datetime]:
    code = exit_code_of(pod)
    if code == OOM_EXIT:
        kind = 0
    elif code in FINAL_EXIT_CODES:
        kind = 1
    else:
        kind = 3 if code == ENDED_BY_SIGTERM else 2
    return kind, min(index_of(pod), 1), ended_at(pod) or datetime.now(UTC)
