"""What a cluster for tests is made of: nodes, images, namespaces, and what its user may do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

CAPACITY = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}


class Declared(BaseModel):
    """A declaration: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Taint(Declared):
    """What keeps pods off a node unless they tolerate it."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = "NoSchedule"


class Node(Declared):
    """A node; `capacity` adds to and overrides 8 cores, 32Gi of memory, 100Gi of disk and 110 pods."""

    name: str
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    capacity: dict[str, str] = {}

    def allocatable(self) -> dict[str, str]:
        return {**CAPACITY, **self.capacity}

    def all_labels(self) -> dict[str, str]:
        return {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            **self.labels,
        }


class Image(Declared):
    """What an image brings to a container: its root is this machine's own, only these variables are set.

    :param user: the user id that the image names; `passwd` gives it an entry in /etc/passwd
    """

    environment: dict[str, str] = {}
    user: int = 10001
    passwd: bool = True
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = "/"


class Namespace(Declared):
    """A namespace: the Pod Security Standard that it enforces, and what its pods can refer to.

    :param secrets: by name, then by key; `config_maps` likewise
    :param quotas: by the quota's name, then by resource (`requests.cpu`, `limits.memory`, `pods`, …)
    :param claims: by the claim's name, the folder that stands for its volume
    """

    name: str
    enforce: Literal["", "baseline", "restricted"] = "restricted"
    secrets: dict[str, dict[str, str]] = {}
    config_maps: dict[str, dict[str, str]] = {}
    quotas: dict[str, dict[str, str]] = {}
    claims: dict[str, str] = {}
    service_accounts: tuple[str, ...] = ("default",)


class ClusterSpec(Declared):
    """A whole cluster.

    :param token: the bearer token that the server demands; none if empty
    :param allowed: what the user may do, as `verb resource` (`create pods`, `get pods/log`); everything if None
    :param priority_classes: by name, the priority
    :param memory_limits: end a container whose processes hold more memory than its limit, as the kernel does
    :param isolation: `auto` gives containers namespaces of their own where this process may make them
    """

    nodes: tuple[Node, ...] = (Node(name="node-1"),)
    images: dict[str, Image] = {}
    namespaces: tuple[Namespace, ...] = (Namespace(name="ml"),)
    priority_classes: dict[str, int] = {}
    token: str = ""
    user: str = "system:serviceaccount:airflow:airflow-worker"
    allowed: tuple[str, ...] | None = None
    memory_limits: bool = True
    isolation: Literal["auto", "namespaces", "none"] = "auto"

    def namespace(self, name: str) -> Namespace | None:
        return next((one for one in self.namespaces if one.name == name), None)


def containers_of(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A pod's containers of all kinds, each with the place in the specification that lists it."""
    return [(f"{place}[{number}]", container) for place in ("initContainers", "containers")
            for number, container in enumerate(spec.get(place) or [])]  # fmt: skip
