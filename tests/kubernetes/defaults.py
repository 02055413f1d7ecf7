"""What the API server fills in where a pod says nothing."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from tests.kubernetes.store import Object

UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def with_defaults(pod: Object, namespace: str, priority_classes: Mapping[str, int]) -> Object:
    """The pod as it is kept; what a client says of its status does not count."""
    meta, spec = {**pod.get("metadata", {})}, {**pod.get("spec", {})}
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:58] + "".join(secrets.choice(_LETTERS) for _ in range(5))
    meta = {
        key: value
        for key, value in meta.items()
        if value is not None and key not in {"uid", "resourceVersion", "creationTimestamp"}
    }
    meta |= {"namespace": namespace, "uid": str(uuid.uuid4())}
    defaults: dict[str, Any] = {
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "enableServiceLinks": True,
        "schedulerName": "default-scheduler", "serviceAccountName": "default", "securityContext": {},
        "preemptionPolicy": "PreemptLowerPriority", "priority": priority_classes.get(spec.get("priorityClassName", ""), 0),
    }  # fmt: skip
    spec = defaults | {key: value for key, value in spec.items() if value is not None}
    spec["tolerations"] = _tolerations(spec.get("tolerations") or [])
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_container(one) for one in spec[kind]]
    status = {"phase": "Pending", "qosClass": _quality(spec)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def _container(container: Object) -> Object:
    resources = {**(container.get("resources") or {})}
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    tag = container.get("image", "").rpartition("/")[2].partition("@")[0].partition(":")[2]
    always = tag in {"", "latest"} and "@" not in container.get("image", "")
    defaults = {
        "imagePullPolicy": "Always" if always else "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    said = {key: value for key, value in container.items() if value is not None and value != ""}
    return {**defaults, **said, "resources": resources}


def _tolerations(said: list[Object]) -> list[Object]:
    """Those of the pod, and how long it stays on a node that is lost."""
    own = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for key in UNREACHABLE]
    return [*said, *(one for one in own if not any(other.get("key") == one["key"] for other in said))]


def _quality(spec: Object) -> str:
    needs = [one.get("resources") or {} for one in [*(spec.get("initContainers") or []), *spec.get("containers", [])]]
    if not any(need.get("requests") or need.get("limits") for need in needs):
        return "BestEffort"
    whole = all(
        {"cpu", "memory"} <= {*need.get("limits", {})} and need["limits"] == need.get("requests") for need in needs
    )
    return "Guaranteed" if whole else "Burstable"
