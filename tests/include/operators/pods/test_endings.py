"""What a pod's end is taken to mean: the forms are those that a real cluster gives."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from include.operators.pods.endings import (
    begun_containers,
    disruption_of,
    ending_of,
    has_succeeded,
    only_others_run,
    startup_problem,
    waiting_reason,
    waits_in_trouble,
)

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

NO_HOST = 'failed to do request: Head "https://r/v2/x": dial tcp: lookup r on 10.96.0.10:53: no such host'

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
    "out of memory while fetching code, told with an exit code of 0": (
        pod(initContainerStatuses=[ended(0, "OOMKilled", "checkout")], containerStatuses=[waiting("PodInitializing")]), [],
        "OutOfMemory", "OOMKilled", "more memory"),
    "too little memory to begin with": (
        pod(containerStatuses=[ended(128, "StartError", message="container init was OOM-killed (memory limit too low?)")]),
        [], "OutOfMemory", "StartError", "more memory"),
    "an exit code that the node has made up": (
        pod(containerStatuses=[ended(137, "ContainerStatusUnknown", message="The container could not be located")]), [],
        "PodLost", "nobody knows how container 'base' ended (The container could not be located)", "retry"),
    "an exit code of a runtime that was started anew": (
        pod(containerStatuses=[ended(255, "Unknown")]), [], "PodLost", "nobody knows", "retry"),
    "a start that took too long": (
        pod(containerStatuses=[ended(128, "StartError", message="context deadline exceeded: unknown")]), [],
        "PodConfigurationError", "context deadline exceeded", "retry"),
    "the step's own end beside another's": (
        pod(containerStatuses=[ended(1, name="a-mesh"), ended(3)]), [], "StepFailed", "Error", "ask the step"),
    "the end of another before the step": (
        pod(initContainerStatuses=[ended(1, name="mesh-init")], containerStatuses=[waiting("PodInitializing")]), [],
        "PodRejected", "container 'mesh-init', which the cluster has put beside the step, failed with exit code 1", "retry"),
    "deleted while it ran": (
        pod(deleted="2026-01-04T02:00:00Z", containerStatuses=[ended(137)]), [], "PodDeleted", "somebody deleted", "retry"),
    "the step's own end": (pod(containerStatuses=[ended(3)]), [], "StepFailed", "Error", "ask the step"),
    "the code's own end": (
        pod(initContainerStatuses=[ended(2, name="checkout")], containerStatuses=[waiting("PodInitializing")]), [],
        "StepFailed", "Error", "ask the step"),
    "no such command": (
        pod(containerStatuses=[ended(128, "StartError", message='exec: "python": not found in $PATH')]), [],
        "PodConfigurationError", 'cannot start (StartError: exec: "python": not found in $PATH)', "final"),
    "a registry that is not there": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ErrImagePull", NO_HOST)]), [],
        "ImagePullError", "no such host); correct `kubernetes.images`", "final"),
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
    "registry away after a pull that found nothing": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ImagePullBackOff", BACK_OFF)]),
        [event("Failed", f"Failed to pull image: {NOT_FOUND}"), event("Failed", "Error: ErrImagePull"),
         event("Failed", "Failed to pull image: dial tcp: i/o timeout")],
        "ImagePullError", "the pod did not start in time", "retry"),
    "an image whose name says what it does not mean": (
        pod("Pending", conditions=[SCHEDULED],
            containerStatuses=[waiting("ImagePullBackOff", 'Back-off pulling image "r/not found/denied:1"')]), [],
        "ImagePullError", "the pod did not start in time", "retry"),
    "secret not there yet": (
        pod("Pending", conditions=[SCHEDULED], containerStatuses=[
            waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition")]), [],
        "StartupTimeout", "failed to sync secret cache", "retry"),
    "on its way out from a node that is lost": (
        pod("Running", deleted="2026-01-04T02:00:00Z", containerStatuses=[container(running={})]), [],
        "NodeLost", "its node says nothing of it", "retry"),
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
    late = pod("Pending", containerStatuses=[waiting("CreateContainerError", "context deadline exceeded")])
    missing = pod("Pending", initContainerStatuses=[waiting("ErrImagePull", NOT_FOUND, "checkout")])
    assert [waits_in_trouble(one) for one in (creating, busy, late, missing)] == [False, True, True, True]
    assert [startup_problem(one, []) is None for one in (creating, busy, late, missing)] == [True, True, True, False]


def test_containers_with_output_are_named_in_their_order() -> None:
    begun = datetime(2026, 1, 4, tzinfo=UTC).isoformat()
    found = pod(
        "Running",
        initContainerStatuses=[ended(0, "Completed", "checkout")],
        containerStatuses=[container("mesh", running={}), container(running={"startedAt": begun})],
    )
    assert begun_containers(found) == ["checkout", "base"]


def test_a_pod_goes_on_for_others_alone_once_its_step_has_ended() -> None:
    mesh = container("mesh", running={})
    assert only_others_run(pod("Running", containerStatuses=[mesh, ended(0, "Completed")]))
    assert only_others_run(pod("Running", containerStatuses=[ended(3)], initContainerStatuses=[mesh]))
    assert not only_others_run(pod("Running", containerStatuses=[mesh, container(running={})]))
    assert not only_others_run(pod("Running", containerStatuses=[ended(0, name="mesh"), ended(3)]))


def test_what_was_announced_to_a_pod_counts_once_it_is_gone() -> None:
    told = pod("Running", conditions=[condition("DisruptionTarget", "True", "PreemptionByScheduler", "preempting")])
    disruption = disruption_of(told)
    assert disruption is not None
    assert ending_of(None, [], disruption) == disruption
    assert disruption.error == "PodPreempted"
    assert disruption_of(pod("Running")) is None


def test_why_a_pod_waits() -> None:
    pulling = pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ErrImagePull", "i/o timeout")])
    assert waiting_reason(pulling) == "container 'base' waits: ErrImagePull: i/o timeout"
    unscheduled = pod("Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", UNSCHEDULABLE)])
    assert waiting_reason(unscheduled) == f"no node has taken the pod yet: Unschedulable: {UNSCHEDULABLE}"
    usual = pod("Pending", conditions=[SCHEDULED], containerStatuses=[waiting("ContainerCreating")])
    assert waiting_reason(usual) == ""
