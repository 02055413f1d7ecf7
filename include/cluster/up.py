"""`make cluster-up`: check, create the cluster, bring everything into it, wait, forward ports, print the addresses."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from include.cluster.bucket import fill_bucket
from include.cluster.connections import write_connections
from include.cluster.forwards import check_ports, end_forwards, forward
from include.cluster.images import build, load
from include.cluster.passwords import create_secrets
from include.cluster.programs import NAME, NODE_IMAGE, Programs, last_line
from include.cluster.readiness import SECONDS_TO_START, wait
from include.stack.docker import StackError

if TYPE_CHECKING:
    from pathlib import Path

MANIFESTS = "include/kubernetes"
NAMESPACES = (f"{MANIFESTS}/base/training/namespace.yaml", f"{MANIFESTS}/base/mlflow/namespace.yaml")
OVERLAY = f"{MANIFESTS}/overlays/development"


def up(programs: Programs, ports: dict[str, int], seconds: float = SECONDS_TO_START) -> None:
    """Start the cluster and all in it; what is there already stays. Raises StackError, with one line per reason."""
    programs.check()
    programs.state.mkdir(mode=0o700, exist_ok=True)
    check_ports(programs, ports)
    images = build(programs)
    _create(programs)
    load(programs, images)
    for file in NAMESPACES:
        programs.must(f"refuses {file}", "apply", "--filename", file)
    login = create_secrets(programs)
    programs.must(f"refuses {OVERLAY}", "apply", "--kustomize", OVERLAY)
    sys.stdout.write("Waiting until PostgreSQL, the S3 store and MLflow are ready …\n")
    wait(programs, seconds)
    forward(programs, ports)
    data = programs.project / ".data"
    fill_bucket(f"http://127.0.0.1:{ports['s3']}", login, data)
    variables = write_connections(programs, ports, login)
    sys.stdout.write(greeting(ports, variables.relative_to(programs.project), has_data=data.exists()))


def _create(programs: Programs) -> None:
    """Create the cluster unless it is there."""
    config = ("--name", NAME, "--kubeconfig", str(programs.kubeconfig))
    if NAME not in programs.kind("get", "clusters").stdout.split():
        created = programs.kind("create", "cluster", *config, "--image", NODE_IMAGE, "--wait", "5m", shown=True)
        if created.returncode:
            raise StackError("kind could not create the cluster; its lines above say why")
        return
    programs.kind("export", "kubeconfig", *config)
    answer = programs.kubectl("get", "--raw", "/readyz")
    if answer.returncode:
        raise StackError(
            f"the cluster {NAME} is there but does not answer ({last_line(answer.stderr)}); start its container "
            f"({programs.engine} start {NAME}-control-plane), or delete it: make cluster-down"
        )


def greeting(ports: dict[str, int], variables: Path, *, has_data: bool) -> str:
    """Return the addresses, and how a run is started."""
    data = (
        ""
        if has_data
        else "There is no .data/, so pipelines use their samples; make data, then make cluster-up, loads it.\n"
    )
    return (
        f"MLflow   http://localhost:{ports['mlflow']}  (no login: it is on loopback only)\n"
        f"S3       http://localhost:{ports['s3']}  (bucket training; its keys are in {variables})\n"
        f"{data}"
        f"A run in the cluster: source {variables} && make run\n"
        "make cluster-down deletes the cluster and all that it holds.\n"
    )


def down(programs: Programs) -> None:
    """Delete the cluster, its forwards and what was noted about it. Raises StackError."""
    programs.check()
    end_forwards(programs)
    if programs.kind(
        "delete", "cluster", "--name", NAME, "--kubeconfig", str(programs.kubeconfig), shown=True
    ).returncode:
        raise StackError("kind could not delete the cluster; its lines above say why")
    shutil.rmtree(programs.state, ignore_errors=True)
