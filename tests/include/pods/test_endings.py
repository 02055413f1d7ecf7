"""What a pod's end is taken to mean: the forms are those that a real cluster gives."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from include.pods.endings import begun_containers, ending_of, has_succeeded, refused, startup_problem, waits_in_trouble

UNSCHEDULABLE = (
    "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector."
)


def pod(phase: str = "Failed", **status: Any) -> Any:
    """A pod as the client gives it."""
    metadata = {
        "name": "churn-train-abc",
        **({"deletionTimestamp": status.pop("deleted")} if "deleted" in status else {}),
    }
    document = {"metadata": metadata, "status": {"phase": phase, **status}}
    client = ApiClient(configuration=Configuration())
    return client._ApiClient__deserialize_model(document, __import__("kubernetes").client.V1Pod)


def container(name: str = "base", **state: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def ended(exit_code: int, reason: str = "Error", name: str = "base", **more: Any) -> dict[str, Any]:
    return container(name, terminated={"exitCode": exit_code, "reason": reason, **more})


def waiting(reason: str, message: str = "", name: str = "base") -> dict[str, Any]:
    return container(name, waiting={"reason": reason, **({"message": message} if message else {})})


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def event(reason: str, message: str) -> Any:
    return SimpleNamespace(reason=reason, message=message)


SCHEDULED = condition("PodScheduled", "True", "")
BACK_OFF = "Back-off pulling image"
NOT_FOUND = 'failed to pull and unpack image "r/trainer:9": failed to resolve reference: r/trainer:9: not found'

ENDINGS: dict[str, tuple[Any, list[Any], str, str, str]] = {
    "gone": (None, [], "PodLost", "the pod is gone: its node was lost, or somebody deleted it", "retry"),
    "evicted for memory": (
        pod(reason="Evicted", message="The node was low on resource: memory."), [],
        "PodEvicted", "the node evicted the pod: The node was low on resource: memory.", "retry"),
    "evicted for its own disk": (
        pod(reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of containers 4Gi."), [],
        "PodEvicted", "give the step more `ephemeral_storage`", "final"),
    "deadline": (
        pod(reason="DeadlineExceeded", message="Pod was active on the node longer than the specified deadline"), [],
        "DeadlineExceeded", "raise `deadline_minutes`", "final"),
    "preempted, by reason": (pod(reason="Preempting", message="Preempted in order to admit critical pod"), [],
        "PodPreempted", "a pod of higher priority took the place", "retry"),
    "preempted, by condition": (
        pod(conditions=[condition("DisruptionTarget", "True", "PreemptionByScheduler", "default-scheduler: preempting")],
            containerStatuses=[ended(143)]), [],
        "PodPreempted", "(PreemptionByScheduler: default-scheduler: preempting)", "retry"),
    "node lost": (
        pod(conditions=[condition("DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager: deleting")]), [],
        "NodeLost", "the node was lost or tainted", "retry"),
    "drained": (
        pod(conditions=[condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")],
            containerStatuses=[ended(137)]), [],
        "PodEvicted", "the pod had to make room", "retry"),
    "node shut down": (pod(reason="Terminated", message="Pod was terminated in response to imminent node shutdown."), [],
        "NodeLost", "imminent node shutdown", "retry"),
    "not taken by the node": (pod(reason="OutOfcpu", message="Node didn't have enough resource: cpu"), [],
        "PodRejected", "the node did not take the pod (OutOfcpu): Node didn't have enough resource: cpu", "retry"),
    "out of memory": (pod(containerStatuses=[ended(137, "OOMKilled")]), [], "OutOfMemory", "OOMKilled", "more memory"),
    "out of memory within milliseconds": (pod(containerStatuses=[ended(137, "Error")]), [], "OutOfMemory", "", "more memory"),
    "out of memory while fetching code": (
        pod(initContainerStatuses=[ended(137, "OOMKilled", "checkout")], containerStatuses=[waiting("PodInitializing")]), [],
        "OutOfMemory", "OOMKilled", "more memory"),
    "deleted while it ran": (
        pod(deleted="2026-01-04T02:00:00Z", containerStatuses=[ended(137)]), [], "PodDeleted", "somebody deleted", "retry"),
    "the step's own end": (pod(containerStatuses=[ended(3)]), [], "StepFailed", "Error", "ask the step"),
    "the code's own end": (
        pod(initContainerStatuses=[ended(2, name="checkout")], containerStatuses=[waiting("PodInitializing")]), [],
        "StepFailed", "Error", "ask the step"),
    "no such command": (
        pod(containerStatuses=[ended(128, "StartError", message='exec: "python": not found in $PATH')]), [],
        "PodConfigurationError", 'cannot start (StartError: exec: "python": not found in $PATH)', "final"),
    "unschedulable, by event": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", "old")]),
        [event("FailedScheduling", "older"), event("FailedScheduling", UNSCHEDULABLE)],
        "Unschedulable", f"no node took the pod: {UNSCHEDULABLE}; see `node_selector`", "retry"),
    "unschedulable, events not readable": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", UNSCHEDULABLE)]), [],
        "Unschedulable", UNSCHEDULABLE, "retry"),
    "no scheduler": (pod("Pending"), [], "Unschedulable", "the scheduler said nothing", "retry"),
    "no such image": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ErrImagePull", NOT_FOUND)]), [],
        "ImagePullError", f"the image cannot be pulled ({NOT_FOUND}); correct `kubernetes.images`", "final"),
    "no such image, said by the event alone": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ImagePullBackOff", BACK_OFF)]),
        [event("Failed", f"Failed to pull image: {NOT_FOUND}")], "ImagePullError", NOT_FOUND, "final"),
    "registry away": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ImagePullBackOff", BACK_OFF)]),
        [event("Failed", "dial tcp 10.0.0.1:443: i/o timeout")],
        "ImagePullError", "the pod did not start in time (ImagePullBackOff: Back-off pulling image; dial tcp", "retry"),
    "image name": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("InvalidImageName", 'couldn\'t parse "A"')]), [],
        "ImagePullError", "the image cannot be used (InvalidImageName: couldn't parse", "final"),
    "no such secret": (
        pod("Pending", conditions=[SCHEDULED],
            containerStatuses=[waiting("CreateContainerConfigError", 'secret "trainer-s3" not found')]), [],
        "PodConfigurationError", 'CreateContainerConfigError: secret "trainer-s3" not found); create what it names', "final"),
    "volume": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ContainerCreating")]),
        [event("FailedMount", "MountVolume.SetUp failed")], "StartupTimeout", "MountVolume.SetUp failed", "retry"),
    "time over": (pod("Running", containerStatuses=[container(running={})]), [], "StepTimeout", "step_timeout_minutes", "retry"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "events", "error", "message", "then"), ENDINGS.values(), ids=ENDINGS)
def test_ends_are_told_apart(found: Any, events: list[Any], error: str, message: str, then: str) -> None:
    ending = ending_of(found, events)
    assert (ending.error, ending.then) == (error, then)
    assert message in ending.message


@pytest.mark.parametrize(
    ("status", "message", "error", "then"),
    [
        (403, 'pods "x" is forbidden: exceeded quota: compute, requested: cpu=4, used: cpu=8, limited: cpu=8', "QuotaExceeded", "retry"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "PodForbidden", "final"),
        (403, 'admission webhook "policy" denied the request: no', "PodForbidden", "final"),
        (403, 'pods is forbidden: User "a" cannot create resource "pods" in API group ""', "NotAuthorized", "final"),
        (401, "Unauthorized", "NotAuthorized", "final"),
        (404, 'namespaces "ml" not found', "PodConfigurationError", "final"),
        (422, 'Pod "x" is invalid: spec.priorityClassName', "PodConfigurationError", "final"),
        (500, "etcdserver: request timed out", "ClusterUnavailable", "retry"),
        (429, "too many requests", "ClusterUnavailable", "retry"),
        (None, "MaxRetryError: refused", "ClusterUnavailable", "retry"),
    ],
)  # fmt: skip
def test_refusals_are_told_apart(status: int | None, message: str, error: str, then: str) -> None:
    ending = refused(status, message)
    assert (ending.error, ending.then) == (error, then)
    assert message in ending.message


def test_only_the_steps_own_container_makes_a_success() -> None:
    assert has_succeeded(pod("Succeeded", containerStatuses=[ended(0, "Completed")]))
    assert has_succeeded(
        pod("Running", containerStatuses=[ended(0, "Completed"), container("istio-proxy", running={})])
    )
    assert not has_succeeded(pod("Pending", initContainerStatuses=[ended(0, name="checkout")]))
    assert not has_succeeded(pod("Running", containerStatuses=[container(running={})]))


def test_waiting_is_worth_while_unless_it_never_ends() -> None:
    creating = pod("Pending", containerStatuses=[waiting("ContainerCreating")])
    busy = pod("Pending", containerStatuses=[waiting("ErrImagePull", "503 service unavailable")])
    missing = pod("Pending", initContainerStatuses=[waiting("ErrImagePull", NOT_FOUND, "checkout")])
    assert [waits_in_trouble(one) for one in (creating, busy, missing)] == [False, True, True]
    assert [startup_problem(one, []) is None for one in (creating, busy, missing)] == [True, True, False]


def test_containers_with_output_are_named_in_their_order() -> None:
    begun = datetime(2026, 1, 4, tzinfo=UTC).isoformat()
    found = pod(
        "Running",
        initContainerStatuses=[ended(0, "Completed", "checkout")],
        containerStatuses=[container(running={"startedAt": begun}), waiting("ContainerCreating", name="other")],
    )
    assert begun_containers(found) == ["checkout", "base"]
