"""Which node a pod runs on, or why none takes it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.kubernetes.disruptions import preempt
from tests.kubernetes.events import record_by_scheduler
from tests.kubernetes.kubelet import Worker
from tests.kubernetes.quantities import amount
from tests.kubernetes.spec import Node, Taint
from tests.kubernetes.states import has_ended, set_condition
from tests.kubernetes.store import Object

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

TAINTED = "node(s) had untolerated taint(s)"
UNMATCHED = "node(s) didn't match Pod's node affinity/selector"


SECONDS_BETWEEN_LOOKS = 0.1


class Scheduler:
    """Gives each pod a node; one that none takes is looked at again whenever something has changed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopping = threading.Event()
        self._delayed: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._cluster.store.changed:
            self._cluster.store.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        store = self._cluster.store
        while not self._stopping.is_set():
            with store.changed:
                for pod in store.find("pods"):
                    if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
                        self._place(pod)
                store.changed.wait(SECONDS_BETWEEN_LOOKS)

    def _place(self, pod: Object) -> None:
        store, meta = self._cluster.store, pod["metadata"]
        node, why = self._found(pod)

        def placed(found: Object) -> None:
            if node is None:
                set_condition(found, "PodScheduled", "False", "Unschedulable", why)
                return
            found["spec"]["nodeName"] = node.name
            set_condition(found, "PodScheduled", "True")

        after = store.update("pods", meta["namespace"], meta["name"], placed)
        if node is None:
            if after["metadata"]["resourceVersion"] != meta["resourceVersion"]:
                record_by_scheduler(store, after, "FailedScheduling", why, "Warning")
            return
        said = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node.name}"
        record_by_scheduler(store, after, "Scheduled", said)
        worker = self._cluster.workers[meta["uid"]] = Worker(after, self._cluster)
        worker.start()

    def _found(self, pod: Object) -> tuple[Node | None, str]:
        cluster = self._cluster
        nodes, pods = cluster.nodes, cluster.store.find("pods")
        if fault := cluster.faults.of(pod, "unschedulable"):
            since = self._delayed.setdefault(pod["metadata"]["uid"], time.monotonic())
            if fault.seconds is None or time.monotonic() - since < fault.seconds:
                return None, fault.message or _message({node.name: ["Insufficient cpu"] for node in nodes})
        node, why = node_for(pod, nodes, pods)
        if node is None and (victims := victims_for(pod, nodes, pods)):
            for victim in victims:
                if "deletionTimestamp" not in victim["metadata"]:
                    preempt(cluster.workers[victim["metadata"]["uid"]], cluster)
        return node, why


def victims_for(pod: Object, nodes: Sequence[Node], pods: Sequence[Object]) -> list[Object]:
    """The fewest pods of lower priority on one node that have to go for a pod to fit; none where that does not help."""
    best: list[Object] = []
    for node in nodes:
        lower = sorted(
            (one for one in pods if one["spec"].get("nodeName") == node.name and not has_ended(one)
             and one["spec"]["priority"] < pod["spec"]["priority"]),
            key=lambda one: (one["spec"]["priority"], one["metadata"]["name"]),
        )  # fmt: skip
        for count in range(1, len(lower) + 1):
            left = [one for one in pods if one not in lower[:count]]
            if not _why_not(pod, node, left):
                best = lower[:count] if not best or count < len(best) else best
                break
    return best


def node_for(pod: Object, nodes: Sequence[Node], pods: Sequence[Object]) -> tuple[Node | None, str]:
    """The node that takes a pod, or None and the scheduler's message."""
    reasons = {node.name: _why_not(pod, node, pods) for node in nodes}
    fitting = [node for node in nodes if not reasons[node.name]]
    if fitting:
        return min(fitting, key=lambda node: len([one for one in pods if one["spec"].get("nodeName") == node.name])), ""
    return None, _message(reasons)


def _message(reasons: Mapping[str, Sequence[str]]) -> str:
    none = f"0/{len(reasons)} nodes are available"
    if not reasons:
        return "no nodes available to schedule pods"
    helpful = Counter(
        "Preemption is not helpful for scheduling"
        if {*said} & {TAINTED, UNMATCHED}
        else "No preemption victims found for incoming pod"
        for said in reasons.values()
    )
    return f"{none}: {_counted(Counter(one for said in reasons.values() for one in said))}. preemption: {none}: {_counted(helpful)}."


def _counted(found: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {text}" for text, count in found.items()))


def _why_not(pod: Object, node: Node, pods: Sequence[Object]) -> list[str]:
    """Why a node does not take a pod: what the first of the scheduler's filters says."""
    tolerations = pod["spec"].get("tolerations") or []
    if not all(tolerates(tolerations, taint) for taint in node.taints if taint.effect in {"NoSchedule", "NoExecute"}):
        return [TAINTED]
    if not _matches(pod, node.all_labels):
        return [UNMATCHED]
    free = free_on(node, pods)
    asked = requests_of(pod)
    words = {"pods": "Too many pods"}
    return [
        words.get(name, f"Insufficient {name}") for name, value in asked.items() if value > free.get(name, Decimal(0))
    ]


def free_on(node: Node, pods: Sequence[Object]) -> dict[str, Decimal]:
    """What a node has left."""
    free = {name: amount(text) for name, text in node.capacity.items()}
    for pod in pods:
        if pod["spec"].get("nodeName") == node.name and not has_ended(pod):
            for name, value in requests_of(pod).items():
                free[name] = free.get(name, Decimal(0)) - value
    return free


def requests_of(pod: Object) -> dict[str, Decimal]:
    """What a pod needs: its containers' sum, or its largest init container where that is more."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for name, text in _requests(container).items():
            total[name] = total.get(name, Decimal(0)) + amount(text)
    for container in pod["spec"].get("initContainers") or []:
        for name, text in _requests(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount(text))
    return {name: value for name, value in total.items() if value}


def _requests(container: Object) -> dict[str, Any]:
    resources = container.get("resources") or {}
    return {**(resources.get("requests") or {})}


def tolerates(tolerations: Sequence[Object], taint: Taint) -> bool:
    """Whether one of a pod's tolerations is for this taint."""
    return any(
        (not one.get("effect") or one["effect"] == taint.effect)
        and (one.get("key") == taint.key or (not one.get("key") and one.get("operator") == "Exists"))
        and (one.get("operator") == "Exists" or one.get("value", "") == taint.value)
        for one in tolerations
    )


def _matches(pod: Object, labels: Mapping[str, str]) -> bool:
    """Whether a node bears what a pod selects."""
    selected = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selected.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    terms = required["nodeSelectorTerms"]
    return any(
        bool(term.get("matchExpressions")) and all(_meets(one, labels) for one in term["matchExpressions"])
        for term in terms
    )


def _meets(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case sign:
            if value is None:
                return False
            return int(value) > int(values[0]) if sign == "Gt" else int(value) < int(values[0])
