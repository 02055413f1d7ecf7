"""The API as the real clients see it."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
import urllib.request
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of, ended, is_gone, log_of, pod_of, run, wait_for
from tests.kubernetes.spec import Namespace, Spec
from tests.kubernetes.times import nano, parsed

NAMESPACE = "training"


def refused(call: Any, *args: Any, **kwargs: Any) -> tuple[int, str]:
    """The status and the message that a call fails with."""
    from kubernetes.client import ApiException

    with pytest.raises(ApiException) as raised:
        call(*args, **kwargs)
    body = json.loads(raised.value.body)
    assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", raised.value.status)
    return raised.value.status, body["message"]


def test_a_pod_from_its_beginning_to_its_end(cluster: Cluster, core: Any) -> None:
    made = core.create_namespaced_pod(NAMESPACE, pod_of("echo out; echo err >&2; exit 3", labels={"step": "train"}))
    assert (made.status.phase, made.spec.priority, made.spec.containers[0].image_pull_policy) == (
        "Pending",
        0,
        "IfNotPresent",
    )
    status = ended(core).status
    end = status.container_statuses[0].state.terminated
    assert (status.phase, end.exit_code, end.reason) == ("Failed", 3, "Error")
    assert end.started_at <= end.finished_at
    assert log_of(core) == "out\nerr\n"
    reasons = [
        event.reason for event in core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=step").items
    ]
    assert reasons == ["Scheduled", "Pulled", "Created", "Started"]
    [pod] = cluster.pods
    assert (pod.step, pod.phases, pod.logs) == ("train", ("Pending", "Running", "Failed"), {"base": "out\nerr"})
    assert cluster.requests[0].verb == "create"


def test_names(core: Any) -> None:
    core.create_namespaced_pod(NAMESPACE, pod_of("true"))
    assert refused(core.create_namespaced_pod, NAMESPACE, pod_of("true")) == (409, 'pods "step" already exists')
    assert refused(core.read_namespaced_pod, "other", NAMESPACE) == (404, 'pods "other" not found')
    assert refused(core.create_namespaced_pod, "nowhere", pod_of("true"))[0] == 403
    generated = core.create_namespaced_pod(NAMESPACE, {**pod_of("true"), "metadata": {"generateName": "some-"}})
    assert len(generated.metadata.name) == len("some-") + 5


def test_a_namespace_that_is_not_there() -> None:
    with Cluster(Spec(namespaces=(), allowed_everywhere={"pods": ("create",)})) as cluster, api_of(cluster) as core:
        code, message = refused(core.create_namespaced_pod, NAMESPACE, pod_of("true"))
    assert (code, message) == (404, 'namespaces "training" not found')


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({"label_selector": "step=train"}, ["a", "b"]),
        ({"label_selector": "step==train,algorithm!=one"}, ["b"]),
        ({"label_selector": "algorithm in (one, three)"}, ["a"]),
        ({"label_selector": "algorithm notin (one)"}, ["b", "c"]),
        ({"label_selector": "!algorithm"}, ["c"]),
        ({"label_selector": "algorithm"}, ["a", "b"]),
        ({"field_selector": "metadata.name=c"}, ["c"]),
        ({"field_selector": "status.phase=Failed"}, ["c"]),
        ({"field_selector": "status.phase!=Failed,spec.nodeName=node-1"}, ["a", "b"]),
    ],
    ids=str,
)
def test_selecting(three_pods: Any, selector: dict[str, str], names: list[str]) -> None:
    assert [pod.metadata.name for pod in three_pods.list_namespaced_pod(NAMESPACE, **selector).items] == names


@pytest.fixture(scope="module")
def three_pods() -> Any:
    with Cluster() as cluster, api_of(cluster) as core:
        run(core, pod_of("true", "a", {"step": "train", "algorithm": "one"}))
        run(core, pod_of("true", "b", {"step": "train", "algorithm": "two"}))
        run(core, pod_of("exit 1", "c", {"step": "ingest"}))
        yield core


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ({"field_selector": "spec.image=x"}, "field label not supported: spec.image"),
        ({"label_selector": "a b"}, "unable to parse requirement"),
        ({"field_selector": "name"}, "invalid selector"),
    ],
    ids=["field", "label", "form"],
)
def test_selecting_by_what_is_not_known(three_pods: Any, selector: dict[str, str], message: str) -> None:
    code, said = refused(three_pods.list_namespaced_pod, NAMESPACE, **selector)
    assert code == 400
    assert message in said


def test_patches(core: Any) -> None:
    core.create_namespaced_pod(
        NAMESPACE, pod_of("sleep 30", labels={"a": "1", "b": "2"}, terminationGracePeriodSeconds=0)
    )
    patched = core.patch_namespaced_pod(
        "step", NAMESPACE, {"metadata": {"labels": {"b": None, "c": "3"}, "annotations": {"x": "y"}}}
    )
    assert (patched.metadata.labels, patched.metadata.annotations) == ({"a": "1", "c": "3"}, {"x": "y"})
    patched = core.patch_namespaced_pod("step", NAMESPACE, [{"op": "add", "path": "/metadata/labels/d", "value": "4"}])
    assert patched.metadata.labels == {"a": "1", "c": "3", "d": "4"}
    code, message = refused(core.patch_namespaced_pod, "step", NAMESPACE, {"metadata": {"labels": {"a": "not valid"}}})
    assert (code, "a valid label must be" in message) == (422, True)
    code, message = refused(core.patch_namespaced_pod, "step", NAMESPACE, {"spec": {"nodeSelector": {"x": "y"}}})
    assert (code, "pod updates may not change fields other than" in message) == (422, True)
    code, message = refused(
        core.patch_namespaced_pod, "step", NAMESPACE, [{"op": "remove", "path": "/metadata/labels/zz"}]
    )
    assert (code, "doc is missing path" in message) == (422, True)
    assert refused(core.patch_namespaced_pod, "step", NAMESPACE, {"metadata": {"resourceVersion": "1"}})[0] == 409


def test_a_watch_from_a_version(core: Any) -> None:
    from kubernetes import watch

    version = core.list_namespaced_pod(NAMESPACE).metadata.resource_version
    run(core, pod_of("true"))
    core.delete_namespaced_pod("step", NAMESPACE)
    events = watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, resource_version=version, timeout_seconds=1)
    seen = [(event["type"], event["object"].status.phase) for event in events]
    assert [kind for kind, _ in itertools.groupby(kind for kind, _ in seen)] == ["ADDED", "MODIFIED", "DELETED"]
    assert [phase for phase, _ in itertools.groupby(phase for _, phase in seen)] == ["Pending", "Running", "Succeeded"]


def test_a_watch_sees_what_comes(core: Any) -> None:
    from kubernetes import watch

    timer = threading.Timer(0.2, lambda: core.create_namespaced_pod(NAMESPACE, pod_of("true")))
    timer.start()
    for event in watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=10):
        if event["object"].status.phase == "Succeeded":
            break
    timer.join()
    assert event["type"] == "MODIFIED"


def test_a_selected_object_comes_and_goes_with_its_label(core: Any) -> None:
    from kubernetes import watch

    version = core.list_namespaced_pod(NAMESPACE).metadata.resource_version
    run(core, pod_of("true", labels={"step": "train"}))
    core.patch_namespaced_pod("step", NAMESPACE, {"metadata": {"labels": {"step": "tune"}}})
    stream = watch.Watch().stream(
        core.list_namespaced_pod, NAMESPACE, label_selector="step=train", resource_version=version, timeout_seconds=1
    )
    assert [event["type"] for event in stream][-1] == "DELETED"


def test_a_version_that_is_too_old(cluster: Cluster, core: Any) -> None:
    from kubernetes import watch
    from kubernetes.client import ApiException

    version = core.list_namespaced_pod(NAMESPACE).metadata.resource_version
    run(core, pod_of("true"))
    cluster.store.forget_changes()
    with pytest.raises(ApiException, match="410"):
        list(watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, resource_version=version, timeout_seconds=2))


def test_a_log_is_followed_to_its_end(core: Any) -> None:
    core.create_namespaced_pod(NAMESPACE, pod_of("echo 1; sleep 0.5; echo 2; sleep 0.2"))
    wait_for(lambda: core.read_namespaced_pod("step", NAMESPACE), lambda pod: pod.status.phase == "Running")
    stream = core.read_namespaced_pod_log("step", NAMESPACE, follow=True, timestamps=True, _preload_content=False)
    begun, lines = time.monotonic(), [line.decode() for line in stream]
    assert time.monotonic() - begun > 0.3
    assert [line.split(" ", 1)[1] for line in lines] == ["1\n", "2\n"]
    assert lines[0][:4].isdigit()
    assert len(lines[0].split(" ")[0]) == len("2026-01-01T00:00:00.123456789Z")


def test_parts_of_a_log(core: Any) -> None:
    run(core, pod_of("echo 1; echo 2; sleep 1.2; echo 3"))
    assert log_of(core, tail_lines=2) == "2\n3\n"
    assert log_of(core, since_seconds=1) == "3\n"
    assert log_of(core, limit_bytes=3) == "1\n2"
    moment = log_of(core, timestamps=True, tail_lines=1).split(" ")[0]
    url = f"{core.api_client.configuration.host}/api/v1/namespaces/training/pods/step/log?sinceTime={moment}"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"3\n"


@pytest.mark.parametrize("nanoseconds", [0, 1, 1_700_000_000_123_456_789, 1_764_252_792_999_999_999])
def test_a_time_is_exact(nanoseconds: int) -> None:
    assert parsed(nano(nanoseconds)) == nanoseconds


def test_logs_that_cannot_be_had(core: Any) -> None:
    core.create_namespaced_pod(NAMESPACE, pod_of("true", "elsewhere", nodeSelector={"no": "where"}))
    assert refused(core.read_namespaced_pod_log, "elsewhere", NAMESPACE) == (
        400,
        "pod elsewhere does not have a host assigned",
    )
    run(core, pod_of("true"))
    assert refused(core.read_namespaced_pod_log, "step", NAMESPACE, container="x") == (
        400,
        "container x is not valid for pod step",
    )
    assert refused(core.read_namespaced_pod_log, "other", NAMESPACE)[0] == 404
    core.create_namespaced_pod(NAMESPACE, pod_of("true", "unpulled", container={"image": "nope:1"}))
    wait_for(
        lambda: core.read_namespaced_pod("unpulled", NAMESPACE).status.container_statuses,
        lambda found: found and found[0].state.waiting.reason == "ErrImagePull",
    )
    said = 'container "base" in pod "unpulled" is waiting to start: trying and failing to pull image'
    assert refused(core.read_namespaced_pod_log, "unpulled", NAMESPACE) == (400, said)


def test_a_pod_that_no_node_has_is_deleted_at_once(core: Any) -> None:
    core.create_namespaced_pod(NAMESPACE, pod_of("true", nodeSelector={"no": "where"}))
    core.delete_namespaced_pod("step", NAMESPACE)
    assert is_gone(core)


def test_a_token_and_a_role() -> None:
    allowed = {"pods": ("get",)}
    with Cluster(Spec(token="let-me-in", namespaces=(Namespace(allowed=allowed),))) as cluster, api_of(cluster) as core:
        code, message = refused(core.create_namespaced_pod, NAMESPACE, pod_of("true"))
        user = 'User "system:serviceaccount:airflow:worker"'
        assert (code, message) == (
            403,
            f'pods is forbidden: {user} cannot create resource "pods" in API group "" in the namespace "training"',
        )
        code, message = refused(core.read_namespaced_pod_log, "x", NAMESPACE)
        assert (code, message) == (
            403,
            f'pods "x" is forbidden: {user} cannot get resource "pods/log" in API group "" in the namespace "training"',
        )
        assert refused(core.read_namespaced_pod, "x", NAMESPACE)[0] == 404
        core.api_client.configuration.api_key.clear()
        assert refused(core.read_namespaced_pod, "x", NAMESPACE) == (401, "Unauthorized")


def test_the_version(cluster: Cluster) -> None:
    from kubernetes import client, config

    api = client.VersionApi(config.new_client_from_config_dict(cluster.kubeconfig()))
    assert api.get_code().git_version == "v1.34.0"
    api.api_client.rest_client.pool_manager.clear()


def test_what_is_not_served(cluster: Cluster, core: Any) -> None:
    from kubernetes import client

    assert refused(core.list_namespaced_secret, NAMESPACE)[0] == 404
    assert refused(core.replace_namespaced_pod, "x", NAMESPACE, client.V1Pod())[0] == 403


def test_the_asynchronous_client(cluster: Cluster) -> None:
    from kubernetes_asyncio import client, config, watch

    async def session() -> tuple[str, list[str], str]:
        configuration = client.Configuration()
        await config.load_kube_config_from_dict(cluster.kubeconfig(), client_configuration=configuration)
        async with client.ApiClient(configuration) as connection:
            core = client.CoreV1Api(connection)
            await core.create_namespaced_pod(NAMESPACE, pod_of("echo hello; sleep 0.5"))
            kinds = []
            async with watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=10) as stream:
                async for event in stream:
                    kinds.append(event["type"])
                    if event["object"].status.phase == "Succeeded":
                        break
            log = await core.read_namespaced_pod_log("step", NAMESPACE)
            return event["object"].metadata.name, kinds, log

    name, kinds, log = asyncio.run(session())
    assert (name, kinds[0], {*kinds[1:]}, log) == ("step", "ADDED", {"MODIFIED"}, "hello\n")
