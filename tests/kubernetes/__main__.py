"""A cluster as a process of its own, until SIGTERM or Ctrl-C: `python -m tests.kubernetes --port 8001 --spec cluster.json`.

The specification is a JSON object as `tests.kubernetes.spec.Spec` takes it. The first line of the output is a JSON object with
`address`, `kubeconfig` and `connection` (the value of AIRFLOW_CONN_KUBERNETES_DEFAULT). Below `/tests/` it answers to
`POST faults`, `GET faults`, `DELETE faults`, `GET pods` and `GET requests`: see tests/kubernetes/control.py.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from pydantic import TypeAdapter

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.spec import Spec


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0, help="on loopback; by default one that is free")
    parser.add_argument(
        "--spec", type=Path, help="a JSON file; by default one node and one restricted namespace `training`"
    )
    asked = parser.parse_args()
    spec = TypeAdapter(Spec).validate_json(asked.spec.read_bytes()) if asked.spec else Spec()
    end = _told_to_end()
    with Cluster(spec, asked.port) as cluster:
        said = {"address": cluster.address, "kubeconfig": cluster.kubeconfig(), "connection": cluster.connection_json()}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        os.read(end, 1)


def _told_to_end() -> int:
    """Where a byte can be read once SIGTERM or Ctrl-C has come.

    A lock would not do: a signal that comes just before the main thread waits for one, or comes to another thread, is
    not heard of until the lock is had.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reading


if __name__ == "__main__":
    main()
