"""The parts of a pod's status."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.store import Object
from tests.kubernetes.times import now

DISRUPTED = "DisruptionTarget"
"""The condition that says why a pod has to go."""


def set_condition(pod: Object, kind: str, status: str, reason: str = "", message: str = "") -> None:
    """Put a condition in place of the one of its kind."""
    conditions = pod["status"].setdefault("conditions", [])
    before = next((one for one in conditions if one["type"] == kind), None)
    same = before is not None and before["status"] == status
    made = {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if before and same else now(),
    }
    made |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
    pod["status"]["conditions"] = [one for one in conditions if one["type"] != kind] + [made]


def container_status(pod: Object, name: str) -> dict[str, Any]:
    """A container's status, made where there is none."""
    initial = any(one["name"] == name for one in pod["spec"].get("initContainers") or [])
    container = container_of(pod, name)
    statuses = pod["status"].setdefault("initContainerStatuses" if initial else "containerStatuses", [])
    found: dict[str, Any] | None = next((one for one in statuses if one["name"] == name), None)
    if found is None:
        found = {
            "name": name, "image": container["image"], "imageID": "", "lastState": {}, "ready": False, "restartCount": 0,
            "started": False, "state": {"waiting": {"reason": "PodInitializing"}},
        }  # fmt: skip
        statuses.append(found)
    return found


def container_of(pod: Object, name: str) -> dict[str, Any]:
    return next(one for one in all_containers(pod) if one["name"] == name)


def all_containers(pod: Object) -> list[dict[str, Any]]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def containers_of(spec: Object) -> list[tuple[str, Object]]:
    """A pod's containers of all kinds, each with the place in the specification that lists it."""
    places = ("initContainers", "containers")
    return [(f"{place}[{number}]", one) for place in places for number, one in enumerate(spec.get(place) or [])]


def waiting(pod: Object, name: str, reason: str, message: str = "") -> None:
    container_status(pod, name)["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(pod: Object, name: str, identity: str) -> None:
    status = container_status(pod, name)
    status |= {"state": {"running": {"startedAt": now()}}, "started": True, "containerID": f"containerd://{identity}"}
    status["ready"] = not any(one["name"] == name for one in pod["spec"].get("initContainers") or [])


def terminated(pod: Object, name: str, exit_code: int, reason: str = "", message: str = "") -> None:
    status = container_status(pod, name)
    started = (status["state"].get("running") or {}).get("startedAt", now())
    ended = {
        "exitCode": exit_code,
        "reason": reason or ("Error" if exit_code else "Completed"),
        "startedAt": started,
        "finishedAt": now(),
    }
    ended |= {"message": message} if message else {}
    ended |= {"containerID": status["containerID"]} if "containerID" in status else {}
    status |= {
        "state": {"terminated": ended},
        "started": False,
        "ready": exit_code == 0 and status in (pod["status"].get("initContainerStatuses") or []),
    }


def finished(pod: Object, reason: str = "", message: str = "") -> None:
    """Say that no container runs any more; the reason is the pod's own, where it did not end by itself."""
    statuses = [container_status(pod, one["name"]) for one in all_containers(pod)]
    failed = any(one["state"].get("terminated", {"exitCode": 1})["exitCode"] for one in statuses)
    if not has_ended(pod):
        pod["status"]["phase"] = "Failed" if failed or reason else "Succeeded"
    if reason:
        pod["status"] |= {"reason": reason, "message": message}
    for kind in ("Ready", "ContainersReady"):
        set_condition(pod, kind, "False", "PodFailed" if failed else "PodCompleted")


def is_disrupted(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == DISRUPTED and one["status"] == "True" for one in conditions)


def has_ended(pod: Object) -> bool:
    return pod["status"]["phase"] in {"Succeeded", "Failed"}
