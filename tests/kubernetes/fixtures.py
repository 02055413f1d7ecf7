"""A cluster as a fixture, and what is done with one, for any folder of tests that imports it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster

NAMESPACE = "training"
SECONDS = 20.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of one node, with one namespace that enforces the restricted standard."""
    with Cluster() as running:
        yield running


@pytest.fixture
def core(cluster: Cluster) -> Iterator[Any]:
    """The real client of that cluster."""
    with api_of(cluster) as api:
        yield api


class api_of:  # noqa: N801  (a context manager, named as a function is)
    """The real client, synchronous, of a cluster; its connections end with it."""

    def __init__(self, cluster: Cluster) -> None:
        from kubernetes import client, config

        self._api = client.CoreV1Api(config.new_client_from_config_dict(cluster.kubeconfig()))

    def __enter__(self) -> Any:
        return self._api

    def __exit__(self, *_: object) -> None:
        self._api.api_client.rest_client.pool_manager.clear()
        self._api.api_client.close()


def pod_of(script: str, name: str = "step", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A hardened pod that runs a shell's script; `container` among the arguments adds to the container."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    container = {"name": "base", "image": "trainer:test", "command": ["sh", "-c", script], "securityContext": security}
    container |= spec.pop("container", {})
    whole = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}}, "spec": whole}


def wait_for(read: Callable[[], Any], done: Callable[[Any], Any], seconds: float = SECONDS) -> Any:
    """What is read, once it is as it should be. Fails with what was read last."""
    until = time.monotonic() + seconds
    while not done(found := read()):
        assert time.monotonic() < until, found
        time.sleep(0.03)
    return found


def ended(core: Any, name: str = "step") -> Any:
    """The pod once it has ended."""
    return wait_for(
        lambda: core.read_namespaced_pod(name, NAMESPACE), lambda pod: pod.status.phase in {"Succeeded", "Failed"}
    )


def run(core: Any, pod: dict[str, Any]) -> Any:
    """Create a pod and wait for its end."""
    core.create_namespaced_pod(NAMESPACE, pod)
    return ended(core, pod["metadata"]["name"])


def is_gone(core: Any, name: str = "step") -> bool:
    from kubernetes.client import ApiException

    try:
        core.read_namespaced_pod(name, NAMESPACE)
    except ApiException as error:
        return bool(error.status == 404)
    return False


def log_of(core: Any, name: str = "step", **kwargs: Any) -> str:
    """A container's log, as bytes turned into text: the client's own conversion is not to be relied on."""
    answer = core.read_namespaced_pod_log(name, NAMESPACE, _preload_content=False, **kwargs)
    return bytes(answer.read()).decode()
