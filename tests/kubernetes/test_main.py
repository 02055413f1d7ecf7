"""The cluster as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kubernetes.fixtures import pod_of, run, wait_for
from tests.kubernetes.processes import can_isolate


class Started:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.said = json.loads(process.stdout.readline())

    def ask(self, path: str, body: Any = None, method: str = "GET") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.said['address']}/tests/{path}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@pytest.fixture
def started(project: Path, tmp_path: Path) -> Iterator[Started]:
    (tmp_path / "cluster.json").write_text(json.dumps({"nodes": [{"name": "far", "cpu": "2"}], "token": "let-me-in"}))
    command = [sys.executable, "-m", "tests.kubernetes", "--spec", str(tmp_path / "cluster.json")]
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # one that is killed leaves its folder
    with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True) as process:
        yield Started(process)
        process.terminate()


@pytest.fixture
def far(started: Started) -> Iterator[Any]:
    from kubernetes import client, config

    core = client.CoreV1Api(config.new_client_from_config_dict(started.said["kubeconfig"]))
    yield core
    core.api_client.rest_client.pool_manager.clear()


def test_a_pod_and_a_fault(started: Started, far: Any) -> None:
    assert [one["kind"] for one in started.ask("faults", [{"kind": "oom", "step": "train"}], "POST")] == ["oom"]
    status = run(far, pod_of("sleep 60", labels={"step": "train"})).status
    assert status.container_statuses[0].state.terminated.reason == "OOMKilled"
    [pod] = started.ask("pods")
    assert (pod["spec"]["nodeName"], pod["phases"]) == ("far", ["Pending", "Running", "Failed"])
    assert started.ask("requests")[-1]["path"] == "/tests/requests"
    assert started.ask("faults", method="DELETE") == []


def test_it_ends_with_its_pods(started: Started, far: Any) -> None:
    far.create_namespaced_pod("training", pod_of("trap '' TERM; echo up; sleep 600 & wait"))
    wait_for(lambda: far.read_namespaced_pod("step", "training").status.phase, lambda phase: phase == "Running")
    children = psutil.Process(started.process.pid).children(recursive=True)
    started.process.terminate()
    assert started.process.wait(10) == 0
    assert children
    assert not any(child.is_running() for child in children)


@pytest.mark.skipif(not can_isolate(), reason="only containers with processes of their own end with their cluster")
def test_killed_it_takes_its_pods_along(started: Started, far: Any) -> None:
    far.create_namespaced_pod("training", pod_of("sleep 600"))
    wait_for(lambda: far.read_namespaced_pod("step", "training").status.phase, lambda phase: phase == "Running")
    children = psutil.Process(started.process.pid).children(recursive=True)
    started.process.kill()
    wait_for(
        lambda: [child for child in children if child.is_running() and child.status() != "zombie"],
        lambda left: not left,
    )


def test_what_is_no_fault(started: Started) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        started.ask("faults", [{"kind": "flood"}], "POST")
