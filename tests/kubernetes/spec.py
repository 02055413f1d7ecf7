"""What a test says of its cluster: nodes, images, namespaces, Secrets, who may do what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

USER = "system:serviceaccount:airflow:worker"
"""Who a client is to the server, unless a test says otherwise."""
EVERYTHING = {
    "pods": ("create", "get", "list", "watch", "patch", "delete"),
    "pods/log": ("get",),
    "events": ("get", "list", "watch"),
    "jobs": ("create", "get", "list", "patch", "delete"),
    "services": ("create",),
}
PLAIN = {"PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Taint:
    """What keeps pods that do not tolerate it off a node."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = "NoSchedule"


@dataclass(frozen=True, config=STRICT)
class Node:
    """A machine, by what it has."""

    name: str = "node-1"
    cpu: str = "64"
    memory: str = "256Gi"
    ephemeral_storage: str = "500Gi"
    gpus: int = 0
    pods: int = 110
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    @property
    def all_labels(self) -> dict[str, str]:
        own = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        return {**own, **self.labels}

    @property
    def capacity(self) -> dict[str, str]:
        gpus = {"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}
        whole = {"cpu": self.cpu, "memory": self.memory, "ephemeral-storage": self.ephemeral_storage}
        return {**whole, "pods": str(self.pods), **gpus}


@dataclass(frozen=True, config=STRICT)
class Image:
    """What a reference stands for: this machine's file system, with these variables and this user alone."""

    env: dict[str, str] = field(default_factory=lambda: dict(PLAIN))
    user: int = 10001
    passwd: bool = True
    """Whether the user has an entry in /etc/passwd."""
    working_directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Namespace:
    """A namespace, and what its labels and its quotas allow."""

    name: str = "training"
    enforce: Literal["privileged", "baseline", "restricted"] = "restricted"
    """The Pod Security Standard that its label demands."""
    quotas: dict[str, dict[str, str]] = field(default_factory=dict)
    """By name, a ResourceQuota's `hard`: `pods`, `requests.cpu`, `limits.memory`, `requests.nvidia.com/gpu` …"""
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    service_accounts: tuple[str, ...] = ("default",)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(EVERYTHING))
    """By resource, the verbs that the client's role has here."""


@dataclass(frozen=True, config=STRICT)
class Spec:
    """A whole cluster."""

    nodes: tuple[Node, ...] = (Node(),)
    namespaces: tuple[Namespace, ...] = (Namespace(),)
    images: dict[str, Image] = field(default_factory=lambda: {"trainer:test": Image()})
    priority_classes: dict[str, int] = field(default_factory=dict)
    token: str = ""
    """The bearer token that a request must carry; empty: none is asked for."""
    user: str = USER
    allowed_everywhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By resource, the verbs of the client's cluster role: in all namespaces, those that are not there as well."""
    shared: tuple[str, ...] = ()
    """Folders of this machine that every container sees, in place of a network file system; what their user is to write to
    has to be open to all."""
    unreachable_seconds: float = 1.0
    """How long a pod stays on a node that is lost, and then how long until it is gone; a real cluster takes 300 s."""
    status_seconds: float = 0.3
    """How long after a container's end, and the end of its log, its status tells of it; a real node takes up to 1 s."""
    limits: bool = True
    """Whether a container that holds more memory than its limit is ended, and a pod that fills the disk is evicted."""
    isolated: bool = True
    """Whether containers get a file system and processes of their own, where this machine allows it."""

    def namespace(self, name: str) -> Namespace | None:
        return next((one for one in self.namespaces if one.name == name), None)
