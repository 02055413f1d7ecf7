"""The manifests as `kubectl kustomize` renders them."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.world import PROJECT

Object = dict[str, Any]
FOLDER = PROJECT / "include" / "kubernetes"
KUSTOMIZATIONS = {
    "base": FOLDER / "base",
    "development": FOLDER / "overlays" / "development",
    "staging": FOLDER / "overlays" / "staging",
    "production": FOLDER / "overlays" / "production",
    "everything": Path(__file__).parent / "everything",
}
NAMES = list(KUSTOMIZATIONS)
OLDEST = 5
"""The major version of kustomize that has all that the manifests use; Debian 12 has an older one."""
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


@functools.cache
def kubectl() -> str:
    """Return the path of kubectl; skips the test where there is none that will do, and fails it in CI."""
    found = shutil.which("kubectl")
    reason = "there is no kubectl (Debian 13: apt-get install kubernetes-client)"
    if found is not None:
        said = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, check=True).stdout
        version = json.loads(said).get("kustomizeVersion", "v0")
        if int(version.lstrip("v").partition(".")[0]) >= OLDEST:
            return found
        reason = f"kubectl has kustomize {version}, and {OLDEST} is needed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def rendered(name: str) -> list[Object]:
    """Return the objects of a kustomization."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(KUSTOMIZATIONS[name])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # it warns of what is deprecated
    return list(yaml.safe_load_all(done.stdout))


def find(name: str, kind: str, called: str, namespace: str | None = None) -> Object:
    """Return the one object of this kind and name."""
    found = [
        one
        for one in rendered(name)
        if (one["kind"], one["metadata"]["name"]) == (kind, called)
        and namespace in {None, one["metadata"].get("namespace")}
    ]
    assert len(found) == 1, f"{kind} {called}: {len(found)} in {name}"
    return found[0]


def of_kind(name: str, *kinds: str) -> list[Object]:
    return [one for one in rendered(name) if one["kind"] in kinds]


def pod_specs(name: str) -> dict[str, Object]:
    """Return the pod specifications of a kustomization's workloads, by kind and name."""
    return {title(one): one["spec"]["template"]["spec"] for one in of_kind(name, *WORKLOADS)}


def containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def title(one: Object) -> str:
    return f"{one['kind']} {one['metadata'].get('namespace', '-')}/{one['metadata']['name']}"


def settings(name: str, namespace: str = "mlflow") -> dict[str, str]:
    """Return the data of MLflow's ConfigMap, whose name ends in a digest."""
    [found] = [
        one
        for one in of_kind(name, "ConfigMap")
        if one["metadata"]["name"].startswith("mlflow-settings-") and one["metadata"]["namespace"] == namespace
    ]
    data: dict[str, str] = found["data"]
    return data
