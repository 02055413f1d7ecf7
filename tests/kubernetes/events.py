"""What the cluster says happened to a pod."""

from __future__ import annotations

import itertools
from typing import Any

from tests.kubernetes.store import Object, Store
from tests.kubernetes.times import micro, now

_COUNT = itertools.count(1)


def record(store: Store, pod: Object, reason: str, message: str, kind: str = "Normal") -> None:
    """Note an event as a kubelet does: the same one again is counted."""
    meta = pod["metadata"]

    def again(event: Object) -> None:
        event["count"] += 1
        event["lastTimestamp"] = now()

    with store.changed:
        for event in store.find("events", meta["namespace"]):
            same = (
                event["involvedObject"]["uid"] == meta["uid"]
                and event["reason"] == reason
                and event["message"] == message
            )
            if same and "count" in event:
                store.update("events", meta["namespace"], event["metadata"]["name"], again)
                return
        made = _event(pod, reason, message, kind)
        when = now()
        made |= {"firstTimestamp": when, "lastTimestamp": when, "count": 1, "eventTime": None}
        made |= {
            "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
            "reportingComponent": "kubelet",
        }
        store.create("events", made)


def record_by_scheduler(store: Store, pod: Object, reason: str, message: str, kind: str = "Normal") -> None:
    """Note an event as the scheduler does: with an `eventTime`, without the older time stamps."""
    made = _event(pod, reason, message, kind)
    made |= {"firstTimestamp": None, "lastTimestamp": None, "eventTime": micro(), "source": {}}
    made |= {
        "reportingComponent": "default-scheduler",
        "reportingInstance": "default-scheduler-0",
        "action": "Scheduling",
    }
    store.create("events", made)


def _event(pod: Object, reason: str, message: str, kind: str) -> dict[str, Any]:
    meta = pod["metadata"]
    pod_is = {
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{next(_COUNT):016x}", "namespace": meta["namespace"]},
        "involvedObject": {**pod_is, "resourceVersion": meta["resourceVersion"]},
        "reason": reason,
        "message": message,
        "type": kind,
    }
