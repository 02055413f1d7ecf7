"""Which node a pod runs on, or why none takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.kubernetes.quantities import amount
from tests.kubernetes.spec import Node, Taint
from tests.kubernetes.states import has_ended
from tests.kubernetes.store import Object

TAINTED = "node(s) had untolerated taint(s)"
UNMATCHED = "node(s) didn't match Pod's node affinity/selector"


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
