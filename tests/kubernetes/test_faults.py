"""Each thing that can go wrong, as the client sees it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Fault, RequestFault
from tests.kubernetes.fixtures import api_of, ended, is_gone, log_of, pod_of, run, wait_for
from tests.kubernetes.spec import Node, Spec
from tests.kubernetes.test_api import refused

NAMESPACE = "training"
LONG = "echo begun; sleep 60"


def train(script: str = LONG, name: str = "step", **spec: Any) -> dict[str, Any]:
    return pod_of(script, name, {"step": "train"}, **{"terminationGracePeriodSeconds": 1, **spec})


def disruption(pod: Any) -> tuple[str, str]:
    found = next(one for one in pod.status.conditions if one.type == "DisruptionTarget")
    return found.reason, found.message


@pytest.mark.parametrize(("kind", "reason"), [("oom", "OOMKilled"), ("killed", "Error")])
def test_killed(cluster: Cluster, core: Any, kind: Any, reason: str) -> None:
    cluster.faults.add(Fault(kind=kind, step="train", after=0.2))
    status = run(core, train()).status
    end = status.container_statuses[0].state.terminated
    assert (status.phase, end.exit_code, end.reason) == ("Failed", 137, reason)
    assert log_of(core) == "begun\n"
    assert run(core, train("exit 0", "again")).status.phase == "Succeeded"
    assert cluster.faults.pending == []


def test_only_the_pods_that_match(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(
        Fault(kind="oom", step="tune"), Fault(kind="oom", name="other-"), Fault(kind="oom", labels={"algorithm": "one"})
    )
    assert run(core, train("sleep 0.2")).status.phase == "Succeeded"
    assert len(cluster.faults.pending) == 3
    cluster.faults.clear()
    assert cluster.faults.pending == []


def test_as_often_as_is_said(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="oom", times=2))
    assert [run(core, train("sleep 0.5", f"step-{n}")).status.phase for n in range(3)] == [
        "Failed",
        "Failed",
        "Succeeded",
    ]


def test_evicted(cluster: Cluster, core: Any) -> None:
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "
    cluster.faults.add(Fault(kind="evicted", message=message))
    pod = run(core, train())
    assert (pod.status.phase, pod.status.reason, pod.status.message) == ("Failed", "Evicted", message)
    assert disruption(pod)[0] == "TerminationByKubelet"
    assert any(event.reason == "Evicted" for event in core.list_namespaced_event(NAMESPACE).items)


def test_preempted(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="preempted"))
    core.create_namespaced_pod(NAMESPACE, train("trap 'exit 0' TERM; while :; do sleep 0.05; done"))
    wait_for(lambda: is_gone(core), bool)
    assert disruption_of(cluster)["reason"] == "PreemptionByScheduler"
    assert "deletionTimestamp" in cluster.pods[0].object["metadata"]


def disruption_of(cluster: Cluster) -> dict[str, Any]:
    return next(one for one in cluster.pods[0].status["conditions"] if one["type"] == "DisruptionTarget")


def test_the_node_shuts_down(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="node_shutdown"))
    pod = run(core, train())
    assert (pod.status.phase, pod.status.reason) == ("Failed", "Terminated")
    assert pod.status.message == "Pod was terminated in response to imminent node shutdown."


def test_the_node_is_lost() -> None:
    with Cluster(Spec(unreachable_seconds=0.4)) as cluster, api_of(cluster) as core:
        cluster.faults.add(Fault(kind="node_lost", after=0.3))
        core.create_namespaced_pod(NAMESPACE, train())
        wait_for(lambda: cluster.nodes[0].taints, bool)
        pod = core.read_namespaced_pod("step", NAMESPACE)
        assert (pod.status.phase, pod.status.container_statuses[0].state.running is not None) == ("Running", True)
        code, message = refused(core.read_namespaced_pod_log, "step", NAMESPACE)
        assert (code, "no route to host" in message) == (500, True)
        core.create_namespaced_pod(NAMESPACE, train("exit 0", "next"))
        wait_for(
            lambda: core.read_namespaced_pod("step", NAMESPACE), lambda one: one.metadata.deletion_timestamp is not None
        )
        assert disruption(core.read_namespaced_pod("step", NAMESPACE))[0] == "DeletionByTaintManager"
        assert "untolerated taint" in core.read_namespaced_pod("next", NAMESPACE).status.conditions[0].message
        wait_for(lambda: is_gone(core), bool)
        assert ended(core, "next").status.phase == "Succeeded"
        assert cluster.pods[0].phases == ("Pending", "Running")


def test_a_node_is_lost_and_another_takes_the_next() -> None:
    nodes = (Node(name="one"), Node(name="two", taints=()))
    with Cluster(Spec(nodes=nodes, unreachable_seconds=0.1)) as cluster, api_of(cluster) as core:
        cluster.lose_node("one")
        assert run(core, train("exit 0")).spec.node_name == "two"
        cluster.restore_node("one")
        assert cluster.nodes == nodes


def test_a_log_breaks_off_with_its_node() -> None:
    from urllib3.exceptions import ProtocolError

    with Cluster(Spec(unreachable_seconds=5)) as cluster, api_of(cluster) as core:
        core.create_namespaced_pod(NAMESPACE, train())
        wait_for(lambda: core.read_namespaced_pod("step", NAMESPACE).status.phase, lambda phase: phase == "Running")
        stream = core.read_namespaced_pod_log("step", NAMESPACE, follow=True, _preload_content=False)
        cluster.lose_node("node-1")
        with pytest.raises(ProtocolError):
            list(stream)


def test_the_pod_is_simply_gone(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="gone"))
    core.create_namespaced_pod(NAMESPACE, train())
    wait_for(lambda: is_gone(core), bool)
    assert "Failed" not in cluster.pods[0].phases


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "image_not_found",
            'failed to resolve reference "docker.io/library/trainer:test": docker.io/library/trainer:test: not found',
        ),
        ("image_unauthorized", "pull access denied, repository does not exist or may require authorization"),
        ("image_timeout", "dial tcp 10.0.0.9:443: i/o timeout"),
    ],
)
def test_the_image_cannot_be_pulled_at_first(cluster: Cluster, core: Any, kind: Any, said: str) -> None:
    cluster.faults.add(Fault(kind=kind, seconds=0.3))
    core.create_namespaced_pod(NAMESPACE, train("exit 0"))
    first = waits(core, "ErrImagePull")
    assert (first.message.startswith("rpc error: code ="), said in first.message) == (True, True)
    second = waits(core, "ImagePullBackOff")
    assert second.message == f'Back-off pulling image "trainer:test": ErrImagePull: {first.message}'
    assert ended(core).status.phase == "Succeeded"
    failed = [event.message for event in core.list_namespaced_event(NAMESPACE).items if event.reason == "Failed"]
    assert failed[0] == f'Failed to pull image "trainer:test": {first.message}'


def waits(core: Any, reason: str) -> Any:
    def waiting() -> Any:
        statuses = core.read_namespaced_pod("step", NAMESPACE).status.container_statuses
        return statuses[0].state.waiting if statuses else None

    return wait_for(waiting, lambda one: one is not None and one.reason == reason)


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        ("registry.example.com/trainer:none", "IfNotPresent", "ImagePullBackOff"),
        ("trainer:none", "Never", "ErrImageNeverPull"),
        ("Trainer:none", "IfNotPresent", "InvalidImageName"),
    ],
)
def test_an_image_that_is_not_declared(core: Any, image: str, policy: str, reason: str) -> None:
    core.create_namespaced_pod(NAMESPACE, train(container={"image": image, "imagePullPolicy": policy}))
    assert image in waits(core, reason).message
    core.delete_namespaced_pod("step", NAMESPACE)
    wait_for(lambda: is_gone(core), bool)


def test_a_slow_pull(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="slow_pull", seconds=0.6))
    begun = time.monotonic()
    core.create_namespaced_pod(NAMESPACE, train("exit 0"))
    waits(core, "ContainerCreating")
    assert ended(core).status.phase == "Succeeded"
    assert time.monotonic() - begun > 0.6


def test_unschedulable_for_a_while(cluster: Cluster, core: Any) -> None:
    message = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu."
    cluster.faults.add(Fault(kind="unschedulable", seconds=0.5, message=message))
    core.create_namespaced_pod(NAMESPACE, train("exit 0"))
    pod = wait_for(lambda: core.read_namespaced_pod("step", NAMESPACE), lambda one: one.status.conditions)
    assert (pod.status.conditions[0].reason, pod.status.conditions[0].message) == ("Unschedulable", message)
    assert ended(core).status.phase == "Succeeded"


def test_refused_once(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(Fault(kind="webhook", message="no tag"), Fault(kind="quota"))
    code, message = refused(core.create_namespaced_pod, NAMESPACE, train())
    assert (code, message) == (403, 'admission webhook "policy.example.com" denied the request: no tag')
    code, message = refused(core.create_namespaced_pod, NAMESPACE, train())
    assert (code, 'pods "step" is forbidden: exceeded quota: compute, requested: ' in message) == (403, True)
    assert run(core, train("exit 0")).status.phase == "Succeeded"


def test_errors_of_the_api(cluster: Cluster, core: Any) -> None:
    cluster.faults.add(RequestFault(kind="status", status=500, verb="get", resource="pods", times=2))
    assert refused(core.read_namespaced_pod, "x", NAMESPACE)[0] == 500
    assert refused(core.read_namespaced_pod, "x", NAMESPACE)[0] == 500
    assert refused(core.read_namespaced_pod, "x", NAMESPACE)[0] == 404


def test_too_many_requests(cluster: Cluster, core: Any) -> None:
    from kubernetes.client import ApiException

    cluster.faults.add(RequestFault(kind="status", status=429, retry_after=1, verb="create"))
    with pytest.raises(ApiException) as raised:
        core.create_namespaced_pod(NAMESPACE, train())
    assert (raised.value.status, raised.value.headers["Retry-After"]) == (429, "1")


def test_no_answer_in_time(cluster: Cluster, core: Any) -> None:
    from urllib3.exceptions import HTTPError

    cluster.faults.add(RequestFault(kind="hang", path="/pods/x$", times=10))
    with pytest.raises(HTTPError):
        core.read_namespaced_pod("x", NAMESPACE, _request_timeout=(0.2, 0.2))


def test_a_reset_whose_request_was_done(cluster: Cluster, core: Any) -> None:
    from urllib3.exceptions import ProtocolError

    cluster.faults.add(RequestFault(kind="reset", verb="create", done=True))
    with pytest.raises(ProtocolError, match="reset by peer"):
        core.create_namespaced_pod(NAMESPACE, train("exit 0"))
    assert ended(core).status.phase == "Succeeded"


def test_a_log_that_breaks_off(cluster: Cluster, core: Any) -> None:
    from urllib3.exceptions import ProtocolError

    run(core, train("echo 1; echo 2; echo 3"))
    cluster.faults.add(RequestFault(kind="cut", resource="pods/log", parts=2))
    stream = core.read_namespaced_pod_log("step", NAMESPACE, _preload_content=False)
    lines: list[bytes] = []
    with pytest.raises(ProtocolError):
        lines.extend(iter(stream.readline, b""))
    assert log_of(core) == "1\n2\n3\n"


def test_a_watch_that_breaks_off(cluster: Cluster, core: Any) -> None:
    from kubernetes import watch
    from urllib3.exceptions import ProtocolError

    cluster.faults.add(RequestFault(kind="cut", verb="watch", parts=1))
    core.create_namespaced_pod(NAMESPACE, train("exit 0"))
    with pytest.raises(ProtocolError):
        list(watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=3))
