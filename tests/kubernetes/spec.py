"""What a test says of its cluster: nodes, images, namespaces, Secrets, who may do what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

USER = "system:serviceaccount:airflow:worker"
"""Who a client is to the server, unless a test says otherwise."""
VERBS = ("create", "get", "list", "watch", "patch", "delete")
EVERYTHING = {"pods": VERBS, "pods/log": ("get",), "events": ("get", "list", "watch")}


@dataclass(frozen=True)
class Taint:
    """What keeps pods that do not tolerate it off a node."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def __str__(self) -> str:
        return f"{{{self.key}: {self.value}}}"


@dataclass(frozen=True)
class Node:
    """A machine, by what it has."""

    name: str = "node-1"
    cpu: str = "64"
    memory: str = "256Gi"
    ephemeral_storage: str = "500Gi"
    gpus: int = 0
    pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    @property
    def all_labels(self) -> dict[str, str]:
        return {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", **self.labels}

    @property
    def capacity(self) -> dict[str, str]:
        storage = {"ephemeral-storage": self.ephemeral_storage, "pods": str(self.pods)}
        return {
            "cpu": self.cpu,
            "memory": self.memory,
            **storage,
            **({"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}),
        }


@dataclass(frozen=True)
class Image:
    """What a reference stands for: this machine's file system, with these variables and this user."""

    env: Mapping[str, str] = field(default_factory=lambda: dict(PLAIN))
    user: int = 10001
    working_directory: str = "/"
    entrypoint: tuple[str, ...] = ()


PLAIN = {"PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True)
class Namespace:
    """A namespace, and what its labels and its quota allow."""

    name: str = "training"
    pod_security: str = "restricted"
    """`restricted` is enforced; `privileged` lets everything pass."""
    quota: Mapping[str, str] = field(default_factory=dict)
    """A ResourceQuota's `hard`: `pods`, `requests.cpu`, `limits.memory`, `requests.nvidia.com/gpu` …"""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    service_accounts: tuple[str, ...] = ("default",)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(EVERYTHING))
    """By resource, the verbs that the client's role has here."""


@dataclass(frozen=True)
class Spec:
    """A whole cluster."""

    nodes: tuple[Node, ...] = (Node(),)
    namespaces: tuple[Namespace, ...] = (Namespace(),)
    images: Mapping[str, Image] = field(default_factory=lambda: {"trainer:test": Image()})
    priority_classes: Mapping[str, int] = field(default_factory=dict)
    token: str = ""
    """The bearer token that a request must carry; empty: none is asked for."""
    user: str = USER
    shared: tuple[str, ...] = ()
    """Folders of this machine that every container sees, in place of a network file system."""
    unreachable_seconds: float = 1.0
    """How long a pod stays on a node that is lost; a real cluster waits 300 s."""
    isolated: bool = True
    """Whether containers get a file system and processes of their own, where this machine allows it."""

    def namespace(self, name: str) -> Namespace | None:
        return next((one for one in self.namespaces if one.name == name), None)
