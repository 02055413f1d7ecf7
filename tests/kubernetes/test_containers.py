"""What a container's process sees: its own environment, a read-only file system, its volumes, no rights."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of, ended, is_gone, log_of, pod_of, run, wait_for
from tests.kubernetes.logs import Log
from tests.kubernetes.processes import Asked, NotStartedError, Process, can_isolate
from tests.kubernetes.spec import Image, Namespace, Spec

TMP: dict[str, Any] = {"volumes": [{"name": "tmp", "emptyDir": {}}]}
isolated = pytest.mark.skipif(
    not can_isolate(), reason="containers with a file system of their own need root and overlayfs"
)


def with_container(script: str, **container: Any) -> dict[str, Any]:
    return pod_of(script, **TMP, container={"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}], **container})


def test_only_the_pods_and_the_images_variables(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_TEST", "leaked")
    run(core, with_container("env", env=[{"name": "GIVEN", "value": "yes"}]))
    names = {line.partition("=")[0] for line in log_of(core).splitlines()} - {"PWD", "OLDPWD", "SHLVL", "_"}
    assert names == {"GIVEN", "HOSTNAME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "PATH"}


def test_references_and_expansion() -> None:
    namespace = Namespace(secrets={"login": {"password": "s3cret"}}, config_maps={"rates": {"gpu": "2.5"}})
    variables = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$$(A)-$(LATER)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "RATE", "valueFrom": {"configMapKeyRef": {"name": "rates", "key": "gpu"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "rates", "key": "cpu", "optional": True}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "STEP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['step']"}}},
    ]
    container = {
        "env": variables,
        "envFrom": [{"prefix": "X_", "secretRef": {"name": "login"}}],
        "args": ["$(STEP)", "$$(STEP)"],
    }
    pod = pod_of(
        'echo "$A|$B|$PASSWORD|$RATE|$NONE|$POD|$STEP|$X_password|$0|$1"', labels={"step": "train"}, container=container
    )
    with Cluster(Spec(namespaces=(namespace,))) as cluster, api_of(cluster) as core:
        run(core, pod)
        assert log_of(core) == "1|1-$(A)-$(LATER)|s3cret|2.5||step|train|s3cret|train|$(STEP)\n"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"secretKeyRef": {"name": "login", "key": "k"}}, 'secret "login" not found'),
        ({"configMapKeyRef": {"name": "rates", "key": "k"}}, "couldn't find key k in ConfigMap training/rates"),
    ],
    ids=["secret", "key"],
)
def test_what_is_referred_to_is_missing(reference: Any, message: str) -> None:
    container = {"env": [{"name": "A", "valueFrom": reference}]}
    with Cluster(Spec(namespaces=(Namespace(config_maps={"rates": {}}),))) as cluster, api_of(cluster) as core:
        core.create_namespaced_pod("training", pod_of("true", container=container))
        waiting = wait_for(
            lambda: state_of(core).waiting, lambda one: one and one.reason == "CreateContainerConfigError"
        )
        assert waiting.message == message


def state_of(core: Any) -> Any:
    statuses = core.read_namespaced_pod("step", "training").status.container_statuses
    from kubernetes.client import V1ContainerState

    return statuses[0].state if statuses else V1ContainerState()


@isolated
def test_a_read_only_root_with_volumes(core: Any) -> None:
    script = "touch /x; echo written > /tmp/y; cat /tmp/y; id -u; grep CapBnd /proc/self/status; df -P /dev/shm | tail -1; getent passwd 10001"
    run(core, with_container(script))
    log = log_of(core)
    assert "cannot touch '/x': Read-only file system" in log
    assert "\nwritten\n10001\nCapBnd:\t0000000000000000\nshm" in log
    assert " 65536 " in log
    assert "trainer:x:10001:10001::/tmp:" in log


@isolated
def test_a_root_that_may_be_written_is_the_containers_own(core: Any) -> None:
    script = "mkdir -p /made && echo kept > /made/x && cat /made/x; touch /tmp/of-the-container-only"
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    namespace = Namespace(enforce="baseline")
    pod = pod_of(script, securityContext={}, container={"securityContext": security | {"runAsUser": 0}})
    with Cluster(Spec(namespaces=(namespace,))) as cluster, api_of(cluster) as core_of_its_own:
        run(core_of_its_own, pod)
        assert log_of(core_of_its_own) == "kept\n"
    assert not Path("/made").exists()
    assert not Path("/tmp/of-the-container-only").exists()


@isolated
def test_folders_that_are_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with Cluster(Spec(shared=(str(tmp_path),))) as cluster, api_of(cluster) as core:
        assert run(core, with_container(f"echo done > {tmp_path}/result; ls /tmp")).status.phase == "Succeeded"
    assert (tmp_path / "result").read_text() == "done\n"


def test_an_init_container_hands_over_by_a_volume(core: Any) -> None:
    mounts = [{"name": "code", "mountPath": "/code"}]
    pod = pod_of(
        'cat "$CODE/x"',
        volumes=[{"name": "code", "emptyDir": {}}],
        container={"volumeMounts": mounts, "env": [{"name": "CODE", "value": "/code"}]},
    )
    first = pod["spec"]["containers"][0]
    pod["spec"]["initContainers"] = [
        {**first, "name": "checkout", "command": ["sh", "-c", 'echo cloned > "$CODE/x"; echo out']}
    ]
    done = run(core, pod)
    assert (done.status.phase, log_of(core, container="base"), log_of(core, container="checkout")) == (
        "Succeeded",
        "cloned\n",
        "out\n",
    )


def test_the_first_init_container_that_fails_ends_the_pod(core: Any) -> None:
    pod = pod_of("echo never")
    first = pod["spec"]["containers"][0]
    pod["spec"]["initContainers"] = [{**first, "name": "checkout", "command": ["sh", "-c", "exit 5"]}]
    status = run(core, pod).status
    assert status.phase == "Failed"
    assert status.init_container_statuses[0].state.terminated.exit_code == 5
    assert status.container_statuses[0].state.waiting.reason == "PodInitializing"


def test_a_command_that_does_not_exist(core: Any) -> None:
    status = run(core, pod_of("", container={"command": ["no-such-program"]})).status
    ended = status.container_statuses[0].state.terminated
    assert (status.phase, ended.exit_code, ended.reason) == ("Failed", 128, "StartError")
    assert 'exec: "no-such-program"' in ended.message


def test_the_trainer_runs(core: Any) -> None:
    pod = with_container(
        "", command=[sys.executable, "-m", "trainer", "--help"], env=[{"name": "HOME", "value": "/tmp"}]
    )
    assert run(core, pod).status.phase == "Succeeded", log_of(core)
    assert "step" in log_of(core)


@pytest.mark.parametrize("own", [pytest.param(True, marks=isolated), False], ids=["isolated", "plain"])
def test_a_deletion_is_a_sigterm_and_then_a_sigkill(own: bool) -> None:
    heeds = "trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    with Cluster(Spec(isolated=own)) as cluster, api_of(cluster) as core:
        for name, script in (("heeds", heeds), ("does-not", "trap '' TERM; echo ready; while :; do sleep 0.05; done")):
            core.create_namespaced_pod("training", pod_of(script, name, terminationGracePeriodSeconds=1))
            wait_for(partial(cluster_log, cluster, name), lambda log: "ready" in log)
            assert core.delete_namespaced_pod(name, "training").metadata.deletion_timestamp is not None
            wait_for(partial(is_gone, core, name), bool)
        first, second = cluster.pods
    assert (first.logs["base"], exit_code(first)) == ("ready\nended", 0)
    assert exit_code(second) == 128 + signal.SIGKILL


def cluster_log(cluster: Cluster, name: str) -> str:
    return next((one.logs.get("base", "") for one in cluster.pods if one.name == name), "")


def exit_code(pod: Any) -> int:
    return int(pod.status["containerStatuses"][0]["state"]["terminated"]["exitCode"])


@isolated
def test_process_1_does_not_hear_a_signal_that_it_does_not_handle(cluster: Cluster, core: Any) -> None:
    core.create_namespaced_pod("training", pod_of("echo ready; exec sleep 60", terminationGracePeriodSeconds=1))
    wait_for(lambda: cluster_log(cluster, "step"), lambda log: "ready" in log)
    core.delete_namespaced_pod("step", "training")
    wait_for(lambda: is_gone(core), bool)
    assert exit_code(cluster.pods[0]) == 137


def test_a_deadline(core: Any) -> None:
    status = run(core, pod_of("sleep 60 & wait", activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)).status
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert status.message == "Pod was active on the node longer than the specified deadline"


def test_more_memory_than_the_limit(core: Any) -> None:
    limits = {"cpu": "1", "memory": "200Mi"}
    program = [sys.executable, "-c", "import time; held = b'x' * (400 << 20); time.sleep(30)"]
    status = run(core, pod_of("", container={"command": program, "resources": {"limits": limits}})).status
    ended = status.container_statuses[0].state.terminated
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


@pytest.mark.parametrize(
    ("volume", "limits", "message"),
    [
        ({"sizeLimit": "1Mi"}, {}, 'Usage of EmptyDir volume "tmp" exceeds the limit "1Mi". '),
        (
            {},
            {"ephemeral-storage": "1Mi"},
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        ),
    ],
    ids=["volume", "pod"],
)
def test_more_disk_than_the_limit(core: Any, volume: dict[str, str], limits: dict[str, str], message: str) -> None:
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    container = {"resources": {"limits": limits}, "volumeMounts": mounts, "env": [{"name": "TMPDIR", "value": "/tmp"}]}
    script = 'head -c 3000000 /dev/urandom > "$TMPDIR/x"; sleep 30'
    pod = pod_of(script, volumes=[{"name": "tmp", "emptyDir": volume}], container=container)
    status = run(core, pod).status
    assert (status.phase, status.reason, status.message) == ("Failed", "Evicted", message)


@pytest.mark.parametrize("own", [pytest.param(True, marks=isolated), False], ids=["isolated", "plain"])
def test_nothing_is_left_behind(own: bool) -> None:
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    with Cluster(Spec(isolated=own)) as cluster, api_of(cluster) as core:
        core.create_namespaced_pod("training", pod_of("sleep 301 & sleep 302 & echo ready; wait"))
        wait_for(lambda: cluster_log(cluster, "step"), lambda log: "ready" in log)
        children = [child for child in psutil.Process().children(recursive=True) if child.pid not in others]
        assert len(children) >= 3
        folder = cluster.folder
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not folder.exists()


def test_root_is_refused_by_the_kubelet() -> None:
    spec = Spec(images={"trainer:test": Image(user=0)})
    with Cluster(spec) as cluster, api_of(cluster) as core:
        core.create_namespaced_pod("training", pod_of("true"))
        waiting = wait_for(
            lambda: state_of(core).waiting, lambda one: one and one.reason == "CreateContainerConfigError"
        )
        assert "container has runAsNonRoot and image will run as root" in waiting.message


def test_without_isolation_paths_are_rewritten(tmp_path: Path) -> None:
    log = Log()
    asked = Asked(
        ["sh", "-c", 'echo hi > "$0"; echo "$HOME"', "/tmp/x"],
        {"HOME": "/tmp", "PATH": os.defpath, "TMPL": "/tmpl"},
        volumes={"/tmp": {"path": str(tmp_path)}},
    )
    process = Process(asked, log, tmp_path, isolated=False)
    wait_for(lambda: process.exit_code(0.1), lambda code: code is not None)
    assert ((tmp_path / "x").read_text(), log.text()) == ("hi\n", str(tmp_path))


@pytest.mark.parametrize("own", [pytest.param(True, marks=isolated), False], ids=["isolated", "plain"])
def test_a_process_that_cannot_start_says_why(tmp_path: Path, own: bool) -> None:
    with pytest.raises(NotStartedError, match="No such file"):
        Process(Asked(["no-such-program"], {"PATH": os.defpath}), Log(), tmp_path, isolated=own)


def test_a_volume_without_its_secret(cluster: Cluster, core: Any) -> None:
    core.create_namespaced_pod(
        "training", pod_of("true", volumes=[{"name": "login", "secret": {"secretName": "login"}}])
    )
    found = wait_for(
        lambda: core.list_namespaced_event("training").items,
        lambda items: any(one.reason == "FailedMount" for one in items),
    )
    assert [one.message for one in found if one.reason == "FailedMount"] == [
        'MountVolume.SetUp failed for volume "login" : secret "login" not found'
    ]
    assert core.read_namespaced_pod("step", "training").status.phase == "Pending"


def test_ended_twice(core: Any) -> None:
    assert run(core, pod_of("exit 0")).status.phase == "Succeeded"
    core.delete_namespaced_pod("step", "training")
    assert is_gone(core)
    core.create_namespaced_pod("training", pod_of("exit 1"))
    assert ended(core).status.container_statuses[0].state.terminated.exit_code == 1
