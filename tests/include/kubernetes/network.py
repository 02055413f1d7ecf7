"""Evaluates NetworkPolicies as Kubernetes does: what selects a pod isolates it, and rules add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.include.kubernetes.rendering import Object

NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """One end of a connection within the cluster."""

    namespace: str
    labels: dict[str, str] = field(default_factory=dict)


End = Pod | str
"""A pod, or the address of a host outside the pod network."""


def allows(policies: list[Object], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Return if a connection gets through: the source may send it, and the target may take it."""
    leaves = _passes(policies, source, target, port, protocol, "Egress")
    return leaves and _passes(policies, target, source, port, protocol, "Ingress")


def _passes(policies: list[Object], pod: End, other: End, port: int, protocol: str, direction: str) -> bool:
    if isinstance(pod, str):
        return True  # policies are about pods
    own = [one for one in policies if direction in one["spec"]["policyTypes"] and _selects(one, pod)]
    side, key = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
    return not own or any(
        _has_port(rule, port, protocol) and _has_peer(rule.get(side), other, one["metadata"]["namespace"])
        for one in own
        for rule in one["spec"].get(key, [])
    )


def _selects(policy: Object, pod: Pod) -> bool:
    return policy["metadata"]["namespace"] == pod.namespace and matches(policy["spec"]["podSelector"], pod.labels)


def _has_port(rule: Object, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        one.get("protocol", "TCP") == protocol
        and one.get("port", port) <= port <= one.get("endPort", one.get("port", port))
        for one in ports
    )


def _has_peer(peers: list[Object] | None, other: End, namespace: str) -> bool:
    return not peers or any(_is_peer(peer, other, namespace) for peer in peers)


def _is_peer(peer: Object, other: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        return isinstance(other, str) and _in_block(peer["ipBlock"], other)
    if isinstance(other, str):
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {NAME: other.namespace}):
            return False
    elif other.namespace != namespace:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def _in_block(block: Object, address: str) -> bool:
    def within(cidr: str) -> bool:
        return ip_address(address) in ip_network(cidr)

    return within(block["cidr"]) and not any(map(within, block.get("except", [])))


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Return if a label selector takes these labels; an empty one takes all. Raises KeyError for an unknown operator."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions", []))


def _expression(one: Object, labels: dict[str, str]) -> bool:
    key, values = one["key"], one.get("values", [])
    answers: dict[str, bool] = {
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
    }
    return answers[one["operator"]]
