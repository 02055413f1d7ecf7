"""What the end of a pod means: why it did not start, or how it ended, and whether another try can help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Then = Literal["retry", "final", "more memory", "ask the step"]
OOM_EXIT = 137
NEVER_STARTED = 128
"""The exit code of a container whose command could not be started."""

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
WRONG = {400, 413, 422}

UNAVAILABLE = "ClusterUnavailable"

_CANNOT_BE_PULLED = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|authentication required|no basic auth|invalid reference"
    r"|does not exist|no match for platform|x509",
    re.IGNORECASE,
)
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}
_NEVER_PULLED = {"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_NOT_CONFIGURED = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}


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
    state = next((state for name, state in _states(pod) if name == "base"), None)
    return state is not None and state.terminated is not None and state.terminated.exit_code == 0


def begun_containers(pod: Any) -> list[str]:
    """The containers that have begun, and so have output; the init containers first."""
    return [name for name, state in _states(pod) if state.running or state.terminated]


def waits_in_trouble(pod: Any) -> bool:
    """Whether a container waits for something that went wrong, which may pass or not."""
    troubles = {*_PULLING, *_NEVER_PULLED, *_NOT_CONFIGURED}
    return any(state.waiting is not None and state.waiting.reason in troubles for _, state in _states(pod))


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
        if waiting.reason in _NOT_CONFIGURED:
            what = f"container {name!r} cannot be created ({said})"
            return Ending("PodConfigurationError", f"{what}; create what it names, or correct `kubernetes`", "final")
    return None


def ending_of(pod: Any | None, events: Sequence[Any]) -> Ending:
    """Why a pod that did not succeed failed; None stands for a pod that is gone."""
    if pod is None:
        return Ending("PodLost", "the pod is gone: its node was lost, or somebody deleted it", "retry")
    found = _ended_by_cluster(pod) or _disrupted(pod) or _ended_itself(pod) or startup_problem(pod, events)
    return found or _not_started(pod, events)


def _ended_by_cluster(pod: Any) -> Ending | None:
    """What the pod's own reason says."""
    reason, message = pod.status.reason or "", pod.status.message or "no message"
    if reason == "Evicted":
        limited = "exceeds" in message or "exceeded" in message
        advice = "; give the step more `ephemeral_storage`" if limited and "storage" in message.lower() else ""
        return Ending("PodEvicted", f"the node evicted the pod: {message}{advice}", "final" if advice else "retry")
    if reason == "DeadlineExceeded":
        advice = "raise `deadline_minutes`, or give the step more to work with"
        return Ending("DeadlineExceeded", f"the pod's deadline has passed: {message}; {advice}", "final")
    if reason in {"Preempting", "Preempted"}:
        return Ending("PodPreempted", f"a pod of higher priority took the place: {message}", "retry")
    if reason in {"NodeLost", "NodeShutdown", "Terminated", "Shutdown"}:
        return Ending("NodeLost", f"the node went away ({reason}): {message}", "retry")
    if reason:
        return Ending("PodRejected", f"the node did not take the pod ({reason}): {message}", "retry")
    return None


def _disrupted(pod: Any) -> Ending | None:
    """What the pod's condition `DisruptionTarget` says."""
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
    for name, state in _states(pod):
        ended = state.terminated
        if ended is None or ended.exit_code == 0:
            continue
        if pod.metadata.deletion_timestamp is not None:
            return Ending("PodDeleted", "somebody deleted the pod while it ran", "retry", ended.exit_code)
        if ended.reason == "OOMKilled" or ended.exit_code == OOM_EXIT:
            return Ending("OutOfMemory", ended.reason or "killed", "more memory", OOM_EXIT)
        if ended.exit_code == NEVER_STARTED or ended.reason in {"ContainerCannotRun", "StartError"}:
            why = f"{ended.reason}: {ended.message or 'no message'}"
            return Ending("PodConfigurationError", f"the command of container {name!r} cannot start ({why})", "final")
        return Ending("StepFailed", ended.reason or "", "ask the step", ended.exit_code)
    return None


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
    return Ending("StepTimeout", "the step had not ended when its time was over; see `step_timeout_minutes`", "retry")


def refused(status: int | None, message: str) -> Ending:
    """What it means that the cluster's API did not take the pod."""
    if status == FORBIDDEN and "exceeded quota" in message:
        return Ending("QuotaExceeded", f"{message}; wait until other pods end, or ask for less", "retry")
    if status == UNAUTHORIZED or (status == FORBIDDEN and "cannot create" in message):
        advice = "give Airflow's account the role in include/kubernetes/base"
        return Ending("NotAuthorized", f"the cluster does not let Airflow start pods: {message}; {advice}", "final")
    if status == FORBIDDEN:
        return Ending("PodForbidden", f"the cluster does not admit the pod: {message}", "final")
    if status == NOT_FOUND:
        return Ending("PodConfigurationError", f"{message}; create it, or correct `kubernetes.namespace`", "final")
    if status in WRONG:
        return Ending("PodConfigurationError", f"the cluster refuses the pod as wrong: {message}", "final")
    return Ending(UNAVAILABLE, message, "retry")


def _states(pod: Any) -> Iterator[tuple[str, Any]]:
    """Each container's state, the init containers' first."""
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        yield status.name, status.state


def _why_never_pulled(message: str | None, events: Sequence[Any]) -> str:
    """Why an image will never be pulled; empty where waiting may help, as with a registry that is busy."""
    said = [message or "", *(event.message or "" for event in events if event.reason == "Failed")]
    return next((text for text in said if _CANNOT_BE_PULLED.search(text)), "")


def _last_message(events: Sequence[Any], reason: str) -> str:
    found = [event.message for event in events if event.reason == reason and event.message]
    return str(found[-1]) if found else ""
