"""Access for an Airflow outside the cluster: a kubeconfig with few rights, and variables for a shell."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from include.cluster.passwords import STEPS

if TYPE_CHECKING:
    from include.cluster.programs import Programs

ACCOUNT = "pipelines"
DURATION = "720h"


def write_connections(programs: Programs, ports: dict[str, int], login: dict[str, str]) -> Path:
    """Write `.cluster/env`, for its owner only; returns it. Raises StackError."""
    airflow = programs.state / "airflow-kubeconfig"
    _write(airflow, json.dumps(_kubeconfig(programs)))
    aws = {
        "conn_type": "aws",
        "login": login["s3 key"],
        "password": login["s3 secret"],
        "extra": {"endpoint_url": f"http://localhost:{ports['s3']}", "region_name": "us-east-1"},
    }
    variables = {
        "PIPELINES_ENVIRONMENT": "trial",
        "PIPELINES_MLFLOW_UI": f"http://localhost:{ports['mlflow']}",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({
            "conn_type": "kubernetes",
            "extra": {"kube_config_path": str(airflow)},
        }),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "KUBECONFIG": str(programs.kubeconfig),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    file = programs.state / "env"
    _write(file, "\n".join(["# Written by make cluster-up, for `source`; it holds passwords.", *lines, ""]))
    return file


def _kubeconfig(programs: Programs) -> dict[str, object]:
    """Return a kubeconfig for the account that may start pods and nothing else."""
    found = json.loads(programs.must("has no kubeconfig", "config", "view", "--raw", "--minify", "--output", "json"))
    arguments = ("--namespace", STEPS, "create", "token", ACCOUNT, f"--duration={DURATION}")
    token = programs.must(f"gives no token for {ACCOUNT}", *arguments).strip()
    context = {"cluster": "training", "user": ACCOUNT, "namespace": STEPS}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "training", "cluster": found["clusters"][0]["cluster"]}],
        "users": [{"name": ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "training", "context": context}],
        "current-context": "training",
    }


def _write(file: Path, content: str) -> None:
    """Write a file of mode 600, atomically."""
    descriptor, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.write(content)
    Path(scratch).replace(file)
