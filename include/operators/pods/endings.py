"""What the end of a pod means: why it did not start, or how it ended, and whether another try can help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from include.operators.base import OUT_OF_TIME
from include.operators.pods.manifest import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Then = Literal["retry", "final", "more memory", "ask the step"]
STEP = "base"
"""The container of the step itself, as the provider names it."""
OWN = (CHECKOUT, STEP)
"""Containers of ours, in their order; a cluster may put others beside them, such as a service mesh's."""

OOM_EXIT = 137
NEVER_STARTED = 128
"""The exit code of a container whose command could not be started."""

TIME_TO_BE_GONE = timedelta(seconds=60)

_CANNOT_BE_PULLED = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|authentication required|no basic auth|invalid reference"
    r"|does not exist|no match for platform|x509|no such host",
    re.IGNORECASE,
)
_MAY_PASS = re.compile(
    r"failed to sync|timed out|deadline exceeded|failed to reserve|connection refused|unavailable", re.IGNORECASE
)
"""What the node says where it could not be told of a Secret in time, or was too busy."""
_STARTED_WITHOUT_MEMORY = re.compile("OOM-killed", re.IGNORECASE)
"""What the container runtime says where the memory was too little to begin with."""
_PULL_EVENT = re.compile("failed to pull", re.IGNORECASE)
_QUOTED = re.compile('"[^"]*"')
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}
_NEVER_PULLED = {"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_NOBODY_KNOWS = {"ContainerStatusUnknown", "Unknown"}
"""A node's reasons for an exit code that it has made up."""
_ENDING_EVENTS = {
    "Evicted": ("PodEvicted", "the node evicted the pod"),
    "Preempted": ("PodPreempted", "a pod of higher priority took the place"),
    "TaintManagerEviction": ("NodeLost", "the node was lost or tainted"),
    "NodeNotReady": ("NodeLost", "the node was lost"),
}
_NOT_CONFIGURED = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
_TROUBLES = {*_PULLING, *_NEVER_PULLED, *_NOT_CONFIGURED}


@dataclass(frozen=True)
class Ending:
    """How a pod ended, or why it never began."""

    error: str
    """A name for it, as errors are named."""
    message: str
    then: Then
    exit_code: int = 1


def has_succeeded(pod: Any) -> bool:
    """Whether the step's own container came to its end without an error."""
    ended = _end_of_step(pod)
    return ended is not None and ended.exit_code == 0


def exit_code_of(pod: Any) -> int | None:
    """Return the exit code of the first of our containers that failed; 137 if memory ran out, None if none failed."""
    for name, state in _states(pod):
        ended = state.terminated
        if ended is not None and name in OWN and (ended.exit_code or ended.reason == "OOMKilled"):
            code: int = OOM_EXIT if ended.reason == "OOMKilled" else ended.exit_code
            return code
    return None


def ended_at(pod: Any) -> datetime | None:
    """Return when the last of a pod's containers ended; None if none has."""
    ended = [state.terminated.finished_at for _, state in _states(pod) if state.terminated]
    return max(filter(None, ended), default=None)


def begun_containers(pod: Any) -> list[str]:
    """Those of our containers that have begun, and so have output, in their order."""
    return [name for name, state in _states(pod) if name in OWN and (state.running or state.terminated)]


def only_others_run(pod: Any) -> bool:
    """Whether the step has ended and a container goes on that is not ours; the pod then goes on for as long."""
    others = any(state.running for name, state in _states(pod) if name not in OWN)
    return others and _end_of_step(pod) is not None


def waits_in_trouble(pod: Any) -> bool:
    """Whether a container waits for something that went wrong, which may pass or not."""
    return any(state.waiting is not None and state.waiting.reason in _TROUBLES for _, state in _states(pod))


def waiting_reason(pod: Any) -> str:
    """Return why a pod waits where that is not usual: no node takes it, or something goes wrong; empty otherwise."""
    for name, state in _states(pod):
        if state.waiting is not None and state.waiting.reason in _TROUBLES:
            return f"container {name!r} waits: {state.waiting.reason}: {state.waiting.message or 'no message'}"
    for one in pod.status.conditions or []:
        if one.type == "PodScheduled" and one.status != "True":
            return f"no node has taken the pod yet: {one.reason}: {one.message or 'no message'}"
    return ""


def does_not_end(pod: Any) -> bool:
    """Whether a pod should have been gone for a while: its node was lost, and nobody will say how it ended."""
    told = pod.metadata.deletion_timestamp  # which has the pod's time to end in it
    return told is not None and datetime.now(UTC) > told + TIME_TO_BE_GONE


def startup_problem(pod: Any, events: Sequence[Any]) -> Ending | None:
    """Why a pod that waits will never start, or None where waiting may help."""
    for name, state in _states(pod):
        waiting = state.waiting
        if waiting is None or not waiting.reason:
            continue
        said = f"{waiting.reason}: {waiting.message or 'no message'}"
        if waiting.reason in _NEVER_PULLED:
            return Ending("ImagePullError", f"the image cannot be used ({said}); correct `kubernetes.images`", "final")
        if waiting.reason in _PULLING and (why := _why_never_pulled(waiting.message, events)):
            advice = "correct `kubernetes.images`, or `kubernetes.image_pull_secrets`"
            return Ending("ImagePullError", f"the image cannot be pulled ({why}); {advice}", "final")
        if waiting.reason in _NOT_CONFIGURED and not _MAY_PASS.search(waiting.message or ""):
            what = f"container {name!r} cannot be created ({said})"
            return Ending("PodConfigurationError", f"{what}; create what it names, or correct `kubernetes`", "final")
    return None


def ending_of(pod: Any | None, events: Sequence[Any], disruption: Ending | None = None) -> Ending:
    """Why a pod that did not succeed failed; None stands for a pod that is gone.

    `disruption` is what was announced to it while it was still there.
    """
    if pod is None:
        lost = Ending("PodLost", "the pod is gone: its node was lost, or somebody deleted it", "retry")
        return disruption or _told_by_events(events) or lost
    found = _ended_by_cluster(pod) or disruption_of(pod) or _ended_itself(pod) or startup_problem(pod, events)
    return found or _not_started(pod, events)


def _told_by_events(events: Sequence[Any]) -> Ending | None:
    """Return the ending that the last such event reports; events outlive their pod."""
    for event in reversed(events):
        if (found := _ENDING_EVENTS.get(event.reason)) is not None:
            name, what = found
            return Ending(name, f"{what} ({event.reason}: {event.message or 'no message'})", "retry")
    return None


def deadline_passed(message: str) -> Ending:
    """Return the ending of a pod or a Job that had its time."""
    advice = "raise `deadline_minutes`, or give the step more to work with"
    return Ending("DeadlineExceeded", f"the pod's deadline has passed: {message}; {advice}", "final")


def _ended_by_cluster(pod: Any) -> Ending | None:
    """What the pod's own reason says."""
    reason, message = pod.status.reason or "", pod.status.message or "no message"
    if reason == "Evicted":
        limited = "exceeds" in message or "exceeded" in message
        advice = "; give the step more `ephemeral_storage`" if limited and "storage" in message.lower() else ""
        return Ending("PodEvicted", f"the node evicted the pod: {message}{advice}", "final" if advice else "retry")
    if reason == "DeadlineExceeded":
        return deadline_passed(message)
    if reason in {"Preempting", "Preempted"}:
        return Ending("PodPreempted", f"a pod of higher priority took the place: {message}", "retry")
    if reason in {"NodeLost", "NodeShutdown", "Terminated", "Shutdown"}:
        return Ending("NodeLost", f"the node went away ({reason}): {message}", "retry")
    if reason:
        return Ending("PodRejected", f"the node did not take the pod ({reason}): {message}", "retry")
    return None


def disruption_of(pod: Any) -> Ending | None:
    """What the pod's condition `DisruptionTarget` says: that it has to go, or had to."""
    for condition in pod.status.conditions or []:
        if condition.type == "DisruptionTarget" and condition.status == "True":
            why = f"{condition.reason}: {condition.message or 'no message'}"
            if condition.reason == "PreemptionByScheduler":
                return Ending("PodPreempted", f"a pod of higher priority took the place ({why})", "retry")
            if condition.reason == "DeletionByTaintManager":
                return Ending("NodeLost", f"the node was lost or tainted ({why})", "retry")
            return Ending("PodEvicted", f"the pod had to make room ({why})", "retry")
    return None


def _ended_itself(pod: Any) -> Ending | None:
    """What the containers' exit codes say; that of the first one that failed counts."""
    for name, state in sorted(_states(pod), key=lambda one: one[0] not in OWN):
        ended = state.terminated
        if ended is None or (ended.exit_code == 0 and ended.reason != "OOMKilled"):
            continue
        if pod.metadata.deletion_timestamp is not None:
            return Ending("PodDeleted", "somebody deleted the pod while it ran", "retry", ended.exit_code)
        return _end_of_container(name, ended)
    return None


def _end_of_container(name: str, ended: Any) -> Ending:
    said = ended.message or "no message"
    if ended.reason in _NOBODY_KNOWS:
        return Ending("PodLost", f"nobody knows how container {name!r} ended ({said})", "retry")
    if ended.reason == "OOMKilled" or ended.exit_code == OOM_EXIT or _STARTED_WITHOUT_MEMORY.search(said):
        return Ending("OutOfMemory", ended.reason or "killed", "more memory", OOM_EXIT)
    if ended.exit_code == NEVER_STARTED or ended.reason in {"ContainerCannotRun", "StartError"}:
        what = f"the command of container {name!r} cannot start ({ended.reason}: {said})"
        return Ending("PodConfigurationError", what, "retry" if _MAY_PASS.search(said) else "final")
    if name not in OWN:
        what = f"container {name!r}, which the cluster has put beside the step, failed with exit code {ended.exit_code}"
        return Ending("PodRejected", f"{what} ({said})", "retry")
    return Ending("StepFailed", ended.reason or "", "ask the step", ended.exit_code)


def _not_started(pod: Any, events: Sequence[Any]) -> Ending:
    """Why a pod is still pending, or what it was doing when its time was over."""
    scheduled = next((one for one in pod.status.conditions or [] if one.type == "PodScheduled"), None)
    if pod.status.phase == "Pending" and (scheduled is None or scheduled.status != "True"):
        said = _last_message(events, "FailedScheduling") or (scheduled.message if scheduled else "")
        advice = "see `node_selector`, `tolerations`, `gpu`, `cpu` and `memory` of the step, and the cluster's nodes"
        return Ending(
            "Unschedulable", f"no node took the pod: {said or 'the scheduler said nothing'}; {advice}", "retry"
        )
    if pod.status.phase == "Pending":
        waiting = [state.waiting for _, state in _states(pod) if state.waiting]
        said = f"{waiting[0].reason}: {waiting[0].message or 'no message'}" if waiting else ""
        more = _last_message(events, "Failed") or _last_message(events, "FailedMount")
        why = "; ".join(filter(None, [said, more])) or "no reason is given"
        name = "ImagePullError" if any(reason in why for reason in _PULLING) else "StartupTimeout"
        return Ending(name, f"the pod did not start in time ({why}); see `startup_timeout_minutes`", "retry")
    if does_not_end(pod):
        return Ending("NodeLost", "the pod was told to end, and its node says nothing of it", "retry")
    return Ending("StepTimeout", OUT_OF_TIME, "retry")


def _end_of_step(pod: Any) -> Any | None:
    return next((state.terminated for name, state in _states(pod) if name == STEP), None)


def _states(pod: Any) -> Iterator[tuple[str, Any]]:
    """Each container's state, the init containers' first."""
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        yield status.name, status.state


def _why_never_pulled(message: str | None, events: Sequence[Any]) -> str:
    """Why an image will never be pulled; empty where waiting may help, as with a registry that is busy.

    Of the events the last pull counts. What is in quotation marks names images, and says nothing of them.
    """
    pulls = [event.message for event in events if event.reason == "Failed" and _PULL_EVENT.match(event.message or "")]
    said = [message or "", *pulls[-1:]]
    return next((text for text in said if _CANNOT_BE_PULLED.search(_QUOTED.sub("", text))), "")


def _last_message(events: Sequence[Any], reason: str) -> str:
    found = [event.message for event in events if event.reason == reason and event.message]
    return str(found[-1]) if found else ""
