"""What the API takes and what it refuses, in the words of a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of, pod_of, run
from tests.kubernetes.quantities import amount, shortest
from tests.kubernetes.spec import Namespace, Spec
from tests.kubernetes.test_api import refused

HARD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def core() -> Iterator[Any]:
    """The client of one cluster for all tests here, none of which leaves anything in it."""
    with Cluster() as cluster, api_of(cluster) as api:
        yield api


def test_a_bare_pod_in_a_restricted_namespace(core: Any) -> None:
    pod = {
        "metadata": {"name": "x"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "base", "image": "a"}]},
    }
    assert refused(core.create_namespaced_pod, "training", pod) == (
        403,
        (
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "base" must set '
            'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "base" must set '
            'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "base" must set '
            'securityContext.runAsNonRoot=true), seccompProfile (pod or container "base" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost")'
        ),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hostNetwork": True}, "host namespaces (hostNetwork=true)"),
        ({"hostPID": True, "hostIPC": True}, "host namespaces (hostPID=true, hostIPC=true)"),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        ),
        ({"container": {"securityContext": {**HARD, "privileged": True}}}, None),
        (
            {"container": {"securityContext": {**HARD, "runAsUser": 0}}},
            'runAsUser=0 (container "base" must not set runAsUser=0)',
        ),
        (
            {"container": {"securityContext": {**HARD, "runAsNonRoot": False}}},
            'runAsNonRoot != true (container "base" must not set securityContext.runAsNonRoot=false)',
        ),
        (
            {"container": {"securityContext": {**HARD, "procMount": "Unmasked"}}},
            'procMount (container "base" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            {"container": {"securityContext": {**HARD, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}}},
            "unrestricted capabilities",
        ),
        ({"container": {"securityContext": {**HARD, "seccompProfile": {"type": "Unconfined"}}}}, "seccompProfile"),
        (
            {"container": {"securityContext": HARD, "ports": [{"containerPort": 80, "hostPort": 80}]}},
            'hostPort (container "base" uses hostPort 80)',
        ),
        (
            {
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                    "sysctls": [{"name": "kernel.msgmax", "value": "1"}],
                }
            },
            "forbidden sysctls (kernel.msgmax)",
        ),
    ],
    ids=[
        "network",
        "pid",
        "hostPath",
        "privileged",
        "root",
        "non-root",
        "procMount",
        "capability",
        "seccomp",
        "port",
        "sysctl",
    ],
)
def test_each_control(core: Any, spec: dict[str, Any], message: str | None) -> None:
    code, said = refused(core.create_namespaced_pod, "training", pod_of("true", **spec))
    if message is None:  # validation comes before
        assert (code, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true" in said) == (422, True)
        return
    assert code == 403
    assert said.startswith('pods "step" is forbidden: violates PodSecurity "restricted:latest": ')
    assert message in said


def test_a_namespace_without_a_standard_takes_it() -> None:
    with Cluster(Spec(namespaces=(Namespace(enforce="privileged"),))) as cluster, api_of(cluster) as core:
        pod = {
            "metadata": {"name": "x"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "base", "image": "trainer:test", "command": ["true"]}],
            },
        }
        assert run(core, pod).status.phase == "Succeeded"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"name": "Not_valid"}, 422, 'Pod "Not_valid" is invalid: metadata.name: Invalid value: "Not_valid": a lowercase RFC 1123 subdomain'),
        ({"labels": {"step": "a b"}}, 422, 'metadata.labels: Invalid value: "a b": a valid label must be an empty string or consist of'),
        ({"labels": {"step": "x" * 64}}, 422, "must be no more than 63 bytes"),
        ({"container": {"resources": {"limits": {"memory": "2Gb"}}}}, 400, "quantities must match the regular expression"),
        ({"container": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}}, 422, 'requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
        ({"container": {"resources": {"limits": {"nvidia.com/gpu": "0.5"}}}}, 422, "must be an integer"),
        ({"container": {"resources": {"requests": {"nvidia.com/gpu": "1"}}}}, 422, "Limit must be set for non overcommitable resources"),
        ({"container": {"image": ""}}, 422, "spec.containers[0].image: Required value"),
        ({"container": {"env": [{"name": "A", "value": 1}]}}, 400, 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal'),
        ({"container": {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}}, 422, 'spec.containers[0].volumeMounts[0].name: Not found: "tmp"'),
        ({"container": {"env": [{"value": "1"}]}}, 422, "spec.containers[0].env[0].name: Required value"),
        ({"restartPolicy": "Sometimes"}, 422, 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always"'),
        ({"activeDeadlineSeconds": 0}, 422, "must be between 1 and 2147483647, inclusive"),
        ({"tolerations": [{"operator": "Equal", "value": "x"}]}, 422, "operator must be Exists when `key` is empty"),
        ({"serviceAccountName": "trainer"}, 403, 'pods "step" is forbidden: error looking up service account training/trainer: serviceaccount "trainer" not found'),
        ({"priorityClassName": "high"}, 403, 'pods "step" is forbidden: no PriorityClass with name high was found'),
    ],
    ids=["name", "label", "long label", "quantity", "request", "half a GPU", "GPU request", "image", "type", "mount", "env", "restart", "deadline", "toleration", "account", "priority"],
)  # fmt: skip
def test_a_pod_that_is_wrong(core: Any, change: dict[str, Any], code: int, message: str) -> None:
    answer = refused(core.create_namespaced_pod, "training", pod_of("true", **change))
    assert answer[0] == code
    assert message in answer[1]


def test_what_the_api_does_not_know_is_dropped(core: Any) -> None:
    pod = pod_of("true", unknown=1, container={"alsoUnknown": {}})
    made = core.api_client.sanitize_for_serialization(core.create_namespaced_pod("training", pod, dry_run="All"))
    assert "unknown" not in made["spec"]
    assert "alsoUnknown" not in made["spec"]["containers"][0]


def test_a_container_would_have_to_be_started_again(core: Any) -> None:
    code, message = refused(core.create_namespaced_pod, "training", pod_of("true", restartPolicy="OnFailure"))
    assert (code, "this server for tests starts no container again" in message) == (400, True)


def test_a_dry_run_keeps_nothing(core: Any) -> None:
    core.create_namespaced_pod("training", pod_of("true"), dry_run="All")
    assert core.list_namespaced_pod("training").items == []


def test_a_quota() -> None:
    quotas = {"compute": {"requests.cpu": "3", "limits.memory": "4Gi"}}
    need = {"limits": {"cpu": "2", "memory": "3Gi"}}
    with Cluster(Spec(namespaces=(Namespace(quotas=quotas),))) as cluster, api_of(cluster) as core:
        create = core.create_namespaced_pod
        said = 'pods "none" is forbidden: failed quota: compute: must specify limits.memory for: base; requests.cpu for: base'
        assert refused(create, "training", pod_of("true", "none")) == (403, said)
        create("training", pod_of("sleep 60", "first", container={"resources": need}, terminationGracePeriodSeconds=0))
        assert refused(create, "training", pod_of("true", "second", container={"resources": need})) == (
            403,
            (
                'pods "second" is forbidden: exceeded quota: compute, requested: limits.memory=3Gi,requests.cpu=2, '
                "used: limits.memory=3Gi,requests.cpu=2, limited: limits.memory=4Gi,requests.cpu=3"
            ),
        )
        core.delete_namespaced_pod("first", "training", grace_period_seconds=0)
        assert run(core, pod_of("true", "second", container={"resources": need})).status.phase == "Succeeded"
        assert run(core, pod_of("true", "third", container={"resources": need})).status.phase == "Succeeded"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("500m", 0.5), ("1.5Gi", 1.5 * 2**30), ("2e3", 2000), ("1k", 1000), (".5", 0.5)]
)
def test_quantities(text: str, value: float) -> None:
    assert amount(text) == value


@pytest.mark.parametrize("text", ["1Gb", "", "one", "1 Gi", "1KI"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        amount(text)


@pytest.mark.parametrize(
    ("text", "short"), [("1024Mi", "1Gi"), ("1500Mi", "1500Mi"), ("2", "2"), ("0.5", "500m"), ("1000", "1000")]
)
def test_the_shortest_form(text: str, short: str) -> None:
    assert shortest(amount(text)) == short
