"""Which node takes a pod, and what the scheduler says where none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of, is_gone, pod_of, wait_for
from tests.kubernetes.spec import Node, Spec, Taint

GPU = {"limits": {"nvidia.com/gpu": "1"}}
TOLERATED = {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]}
NODES = (
    Node(name="plain", cpu="4", memory="8Gi", labels={"disk": "ssd"}),
    Node(
        name="gpu",
        cpu="8",
        gpus=1,
        labels={"nvidia.com/gpu.present": "true"},
        taints=(Taint(key="nvidia.com/gpu", value="true"),),
    ),
)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    with Cluster(Spec(nodes=NODES, priority_classes={"high": 1000, "low": -1})) as cluster:
        yield cluster


def placed(core: Any, name: str = "step") -> str:
    """The node that a pod gets, or the scheduler's message."""
    pod = wait_for(lambda: core.read_namespaced_pod(name, "training"), lambda one: one.status.conditions)
    scheduled = next(one for one in pod.status.conditions if one.type == "PodScheduled")
    assert (scheduled.status, scheduled.reason) in {("True", None), ("False", "Unschedulable")}
    return str(pod.spec.node_name or scheduled.message)


def affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = [{"matchExpressions": list(expressions)}]
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }


@pytest.mark.parametrize(
    ("spec", "node"),
    [
        ({}, "plain"),
        ({"nodeSelector": {"disk": "ssd"}}, "plain"),
        ({"nodeSelector": {"nvidia.com/gpu.present": "true"}, **TOLERATED, "container": {"resources": GPU}}, "gpu"),
        ({"container": {"resources": GPU}, "tolerations": [{"key": "nvidia.com/gpu", "value": "true"}]}, "gpu"),
        ({"container": {"resources": GPU}, "tolerations": [{"operator": "Exists"}]}, "gpu"),
        ({**TOLERATED, **affinity({"key": "disk", "operator": "DoesNotExist"})}, "gpu"),
        ({**TOLERATED, **affinity({"key": "disk", "operator": "NotIn", "values": ["ssd"]})}, "gpu"),
        (affinity({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}), "plain"),
        (affinity({"key": "disk", "operator": "Exists"}), "plain"),
    ],
    ids=["any", "selector", "gpu", "value", "all tolerated", "not there", "not in", "in", "exists"],
)
def test_placed(nodes: Cluster, spec: dict[str, Any], node: str) -> None:
    with api_of(nodes) as core:
        core.create_namespaced_pod("training", pod_of("true", **spec))
        assert placed(core) == node


TAINTED = "1 node(s) had untolerated taint(s)"
UNMATCHED = "node(s) didn't match Pod's node affinity/selector"
HELPLESS = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


@pytest.mark.parametrize(
    ("spec", "reasons", "preemption"),
    [
        ({"container": {"resources": GPU}}, f"1 Insufficient nvidia.com/gpu, {TAINTED}", f"1 {NO_VICTIMS}, 1 {HELPLESS}"),
        ({"nodeSelector": {"disk": "tape"}}, f"1 {UNMATCHED}, {TAINTED}", f"2 {HELPLESS}"),
        ({"nodeSelector": {"disk": "tape"}, **TOLERATED}, f"2 {UNMATCHED}", f"2 {HELPLESS}"),
        ({**TOLERATED, "container": {"resources": {"requests": {"cpu": "9", "memory": "9Gi"}}}}, "1 Insufficient memory, 2 Insufficient cpu", f"2 {NO_VICTIMS}"),
        ({"tolerations": [{"key": "nvidia.com/gpu", "value": "false"}], "container": {"resources": GPU}}, f"1 Insufficient nvidia.com/gpu, {TAINTED}", f"1 {NO_VICTIMS}, 1 {HELPLESS}"),
    ],
    ids=["taint", "selector and taint", "selector", "resources", "other value"],
)  # fmt: skip
def test_not_placed(nodes: Cluster, spec: dict[str, Any], reasons: str, preemption: str) -> None:
    with api_of(nodes) as core:
        core.create_namespaced_pod("training", pod_of("true", **spec))
        said = f"0/2 nodes are available: {reasons}. preemption: 0/2 nodes are available: {preemption}."
        assert placed(core) == said
        [event] = core.list_namespaced_event("training").items
        assert (event.reason, event.message, event.type, event.last_timestamp) == (
            "FailedScheduling",
            said,
            "Warning",
            None,
        )
        assert core.read_namespaced_pod("step", "training").status.container_statuses is None


def test_placed_once_there_is_room(nodes: Cluster) -> None:
    need: dict[str, Any] = {**TOLERATED, "container": {"resources": GPU}, "terminationGracePeriodSeconds": 0}
    with api_of(nodes) as core:
        core.create_namespaced_pod("training", pod_of("sleep 60", "first", **need))
        assert placed(core, "first") == "gpu"
        core.create_namespaced_pod("training", pod_of("true", "second", **need))
        assert placed(core, "second").startswith("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
        core.delete_namespaced_pod("first", "training", grace_period_seconds=0)
        wait_for(lambda: core.read_namespaced_pod("second", "training").spec.node_name, lambda node: node == "gpu")


def test_a_higher_priority_takes_the_place(nodes: Cluster) -> None:
    need: dict[str, Any] = {**TOLERATED, "container": {"resources": GPU}, "terminationGracePeriodSeconds": 1}
    with api_of(nodes) as core:
        core.create_namespaced_pod("training", pod_of("sleep 60", "lower", **need))
        wait_for(lambda: core.read_namespaced_pod("lower", "training").status.phase, lambda phase: phase == "Running")
        core.create_namespaced_pod("training", pod_of("sleep 60", "upper", priorityClassName="high", **need))
        wait_for(lambda: is_gone(core, "lower"), bool)
        wait_for(lambda: core.read_namespaced_pod("upper", "training").spec.node_name, lambda node: node == "gpu")
    lower, upper = nodes.pods
    disrupted = next(one for one in lower.status["conditions"] if one["type"] == "DisruptionTarget")
    assert (disrupted["reason"], disrupted["status"]) == ("PreemptionByScheduler", "True")
    assert (lower.phases, upper.spec["priority"]) == (("Pending", "Running", "Failed"), 1000)


def test_a_lower_priority_waits(nodes: Cluster) -> None:
    need: dict[str, Any] = {**TOLERATED, "container": {"resources": GPU}, "terminationGracePeriodSeconds": 0}
    with api_of(nodes) as core:
        core.create_namespaced_pod("training", pod_of("sleep 60", "first", **need))
        assert placed(core, "first") == "gpu"
        core.create_namespaced_pod("training", pod_of("true", "second", priorityClassName="low", **need))
        assert "No preemption victims" in placed(core, "second")
        assert core.read_namespaced_pod("first", "training").metadata.deletion_timestamp is None


def test_no_nodes() -> None:
    with Cluster(Spec(nodes=())) as cluster, api_of(cluster) as core:
        core.create_namespaced_pod("training", pod_of("true"))
        assert placed(core) == "no nodes available to schedule pods"
