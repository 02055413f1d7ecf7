"""Waits for the servers in the cluster, and says which pod does not get ready, and why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from include.cluster.causes import OUT_OF_MEMORY, advice_of_log, advice_of_message
from include.cluster.passwords import SERVERS
from include.stack.docker import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.cluster.programs import Programs

Object = dict[str, Any]
SECONDS_TO_START = 900
BETWEEN_LOOKS = 3.0
LABEL = "app.kubernetes.io/name"
KINDS = ("deployments.apps", "statefulsets.apps", "pods", "events")
WORKLOADS = {"postgres", "s3", "mlflow"}
HOPELESS = {
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
}
"""Reasons of a waiting container that waiting cannot change."""
CRASHES = 2
"""After so many restarts a container that crashes is given up: the first may come before its database is up."""
LOG_LINES = 50


def wait(programs: Programs, seconds: float = SECONDS_TO_START) -> None:
    """Wait until each server is ready. Raises StackError with one line per pod that fails, or is not ready in time."""
    deadline = time.monotonic() + seconds
    while late := _late(found := programs.get(SERVERS, *KINDS)):
        is_over = time.monotonic() > deadline
        if lines := [line for one in late if (line := _failure(programs, one, found, is_over=is_over))]:
            raise StackError("\n".join(lines))
        time.sleep(BETWEEN_LOOKS)


def _late(found: list[Object]) -> list[Object]:
    """Return the workloads that are not ready; of MLflow only once its database and store are. Raises StackError."""
    workloads = [one for one in found if one["kind"] in {"Deployment", "StatefulSet"}]
    if missing := WORKLOADS - {one["metadata"]["name"] for one in workloads}:
        names = ", ".join(sorted(missing))
        raise StackError(f"not in the namespace {SERVERS}, although applied: {names}; run make cluster-up again")
    late = [one for one in workloads if not _is_ready(one)]
    servers = [one for one in late if one["kind"] == "StatefulSet"]
    return servers or late


def _is_ready(workload: Object) -> bool:
    wanted, status = workload["spec"].get("replicas", 1), workload.get("status", {})
    is_seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    updated = min(status.get(key, 0) for key in ("readyReplicas", "updatedReplicas"))
    return bool(is_seen and updated >= wanted)


def _failure(programs: Programs, workload: Object, found: list[Object], *, is_over: bool) -> str | None:
    """Return why a workload fails, one line; None while waiting may help."""
    name = workload["metadata"]["name"]
    pods = [
        one
        for one in found
        if one["kind"] == "Pod" and one["metadata"].get("labels", {}).get(LABEL) == name and not _is_ended(one)
    ]
    if not pods:
        return _without_pod(name, workload, found, is_over=is_over)
    newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    return _pod_failure(programs, newest, found, is_over=is_over)


def _is_ended(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _without_pod(name: str, workload: Object, found: list[Object], *, is_over: bool) -> str | None:
    conditions = workload.get("status", {}).get("conditions", [])
    said = [one["message"] for one in conditions if (one["type"], one["status"]) == ("ReplicaFailure", "True")]
    said += [one["message"] for one in _warnings(found, name) if one["reason"] == "FailedCreate"]
    if said:
        return _line(name, said[-1], advice_of_message(said[-1]))
    return f"{name}: it has no pod; kubectl --namespace {SERVERS} describe shows more" if is_over else None


def _pod_failure(programs: Programs, pod: Object, found: list[Object], *, is_over: bool) -> str | None:
    name = pod["metadata"]["name"]
    for status in _not_ready(pod):
        waiting = status.get("state", {}).get("waiting", {})
        said = f"{waiting.get('reason', '')}: {waiting.get('message', '')}".strip(": ")
        if waiting.get("reason") in HOPELESS:
            return _line(name, said, advice_of_message(said))
        ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return _line(name, f"exit code {ended.get('exitCode')}", OUT_OF_MEMORY)
        log = _log(programs, name, status["name"])
        crashes = status.get("restartCount", 0) >= CRASHES
        if crashes or is_over or ("running" in status.get("state", {}) and advice_of_log(log)):
            how = f"exit code {ended['exitCode']}" if ended else "not ready in time"
            return _of_log(name, status["name"], how, log)
    return _unscheduled(pod, found) if is_over else None


def _not_ready(pod: Object) -> Iterator[Object]:
    """Yield the containers that keep a pod from being ready; of the init containers the first only."""
    status = pod.get("status", {})
    for one in status.get("initContainerStatuses", []):
        if one.get("state", {}).get("terminated", {}).get("exitCode") != 0:
            yield one
            return
    yield from (one for one in status.get("containerStatuses", []) if not one.get("ready"))


def _unscheduled(pod: Object, found: list[Object]) -> str:
    conditions = pod.get("status", {}).get("conditions", [])
    said = [one.get("message", "") for one in conditions if (one["type"], one["status"]) == ("PodScheduled", "False")]
    said += [one["message"] for one in _warnings(found, pod["metadata"]["name"])]
    reason = said[0] if said else "not ready in time"
    return _line(pod["metadata"]["name"], reason, advice_of_message(reason))


def _warnings(found: list[Object], name: str) -> list[Object]:
    return [
        one
        for one in found
        if one["kind"] == "Event" and one.get("type") == "Warning" and one["involvedObject"]["name"].startswith(name)
    ]


def _log(programs: Programs, pod: str, container: str) -> str:
    """Return the last lines of a container, of its last life where it has been restarted."""
    arguments = ("--namespace", SERVERS, "logs", pod, "--container", container, f"--tail={LOG_LINES}")
    now = programs.kubectl(*arguments)
    before = programs.kubectl(*arguments, "--previous")
    return (before.stdout if before.returncode == 0 else "") + (now.stdout if now.returncode == 0 else "")


def _of_log(pod: str, container: str, how: str, log: str) -> str:
    if advice := advice_of_log(log):
        return f"{pod}: {how}: {advice}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = f"its log ends: {lines[-1]}" if lines else "its log is empty"
    more = f"kubectl --namespace {SERVERS} logs {pod} --container {container} shows more"
    return f"{pod}: {how}: {last}; {more}"


def _line(name: str, said: str, advice: str | None) -> str:
    one_line = " ".join(said.split())
    return f"{name}: {one_line}; {advice or f'kubectl --namespace {SERVERS} describe pod {name} shows more'}"
