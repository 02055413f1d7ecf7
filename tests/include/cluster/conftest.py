"""A project folder, and `kind`, `kubectl` and `docker` that answer as told; behind the forwards is a real S3 server."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from include.cluster import forwards, readiness
from include.cluster.forwards import end_forwards
from include.cluster.programs import Programs
from tests.server import free_port
from tests.world import PROJECT

KIND = """#!/bin/bash
echo "kind $*${{KIND_EXPERIMENTAL_PROVIDER:+ on $KIND_EXPERIMENTAL_PROVIDER}}" >> {state}/calls
case "$*" in
  version) cat {state}/kind-version ;;
  "get clusters") cat {state}/clusters ;;
  "create cluster"*) echo training > {state}/clusters ;;
  "delete cluster"*) : > {state}/clusters ;;
esac
exit $(cat {state}/kind-exit)
"""
ENGINE = """#!/bin/bash
echo "{name} $*" >> {state}/calls
[ "$1" != save ] || touch "$4"
exit $(cat {state}/{name}-exit)
"""
BUILD = """#!/bin/bash
echo "images.sh $* $IMAGES $ENGINE $REGISTRY" >> {state}/calls
exit $(cat {state}/build-exit)
"""
Object = dict[str, Any]


class Machine:
    """A machine with the programs, and what they were asked for."""

    def __init__(self, home: Path) -> None:
        self.bin, self.state, self.project = home / "bin", home / "bin" / "state", home / "project"
        for folder in (self.state, self.project / "tasks_image"):
            folder.mkdir(parents=True)
        names = {"state": shlex.quote(str(self.state))}
        self._write(self.bin / "kind", KIND.format(**names))
        for engine in ("docker", "podman"):
            self._write(self.bin / engine, ENGINE.format(name=engine, **names))
        self._write(self.project / "tasks_image" / "images.sh", BUILD.format(**names))
        shutil.copy(PROJECT / "tasks_image" / "pyproject.toml", self.project / "tasks_image")
        fake = Path(__file__).with_name("fake_kubectl.py").read_text()
        self._write(self.bin / "kubectl", f"#!{sys.executable}\n{fake}")
        self.says("kind-version", "kind v0.33.0 go1.26.0 linux/amd64\n")
        self.says("clusters", "")
        for program in ("kind", "docker", "podman", "build"):
            self.exits(program, 0)
        self.says("secrets.json", "[]")
        self.refuses()
        self.has(workload("StatefulSet", "postgres"), workload("StatefulSet", "s3"), workload("Deployment", "mlflow"))
        self.ports = {"mlflow": free_port(), "s3": free_port()}

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)

    def says(self, name: str, text: str) -> None:
        (self.state / name).write_text(text)

    def exits(self, program: str, code: int) -> None:
        self.says(f"{program}-exit", str(code))

    def refuses(self, *refusals: tuple[str, str]) -> None:
        """Say which calls of kubectl fail from now on: a part of the call, and what it says."""
        self.says("refusals.json", json.dumps(refusals))

    def has(self, *objects: Object, look: int = 9) -> None:
        """Say what is in the cluster at a look; the last one stays."""
        self.says(f"objects-{look}.json", json.dumps({"items": objects}))

    def logs(self, pod: str, container: str, text: str) -> None:
        self.says(f"log-{pod}-{container}", text)

    @property
    def programs(self) -> Programs:
        return Programs(self.project, str(self.bin))

    @property
    def calls(self) -> list[str]:
        file = self.state / "calls"
        text = file.read_text() if file.exists() else ""
        return [line.replace(f" --kubeconfig {self.project}/.cluster/kubeconfig", "") for line in text.splitlines()]

    @property
    def secrets(self) -> dict[str, dict[str, str]]:
        """The data of the Secrets by namespace/name, as it is kept: in base64."""
        found = json.loads((self.state / "secrets.json").read_text())
        return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["data"] for one in found}

    @property
    def arguments(self) -> list[str]:
        return ["up", "--mlflow-port", str(self.ports["mlflow"]), "--s3-port", str(self.ports["s3"])]


def workload(kind: str, name: str, ready: int = 1, **status: Any) -> Object:
    return {
        "kind": kind,
        "metadata": {"name": name, "generation": 1},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": 1, **status},
    }


def pod(name: str, app: str, *containers: Object, init: tuple[Object, ...] = (), **status: Any) -> Object:
    own = {"containerStatuses": list(containers), "initContainerStatuses": list(init), **status}
    return {"kind": "Pod", "metadata": {"name": name, "labels": {"app.kubernetes.io/name": app}}, "status": own}


def container(name: str, state: Object, restarts: int = 0, last: Object | None = None) -> Object:
    return {"name": name, "ready": False, "restartCount": restarts, "state": state, "lastState": last or {}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(forwards, "BETWEEN_LOOKS", 0.02)


@pytest.fixture
def machine(tmp_path: Path, s3_endpoint: str) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.says("target", s3_endpoint.removeprefix("http://"))
    yield made
    end_forwards(made.programs)
    store = boto3.resource("s3", endpoint_url=s3_endpoint, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1")  # fmt: skip
    if store.Bucket("training") in store.buckets.all():
        store.Bucket("training").objects.delete()
        store.Bucket("training").delete()
