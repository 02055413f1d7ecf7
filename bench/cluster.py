"""A cluster for measurements: the API server for tests as a process of its own, so that its work is not counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from bench.commands import PROJECT
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

# `runtime: local` allows a run folder on the disk, and the operator of pods does not ask for the runtime.
ENVIRONMENT = """
runtime: local
samples: false
kubernetes:
  {connection: kubernetes_default, namespace: training, service_account: default, images: {tabular: "trainer:test"}}
"""
SECONDS_TO_HEAR = 10


class Heard(NamedTuple):
    """What a watch has told of a pod, and when it did."""

    at: float
    kind: str
    phase: str


Watch = SimpleQueue[Heard]


def life_of_pod(watch: Watch) -> float:
    """Seconds from a pod's creation to its success, once it is gone. Raises TrainerError where that is not heard of."""
    first: dict[str, float] = {}
    try:
        while (heard := watch.get(timeout=SECONDS_TO_HEAR)).kind != "DELETED":
            first.setdefault(heard.phase, heard.at)
    except Empty as error:
        raise TrainerError(f"a pod was not removed, but was seen {' and '.join(first) or 'nowhere'}") from error
    return first["Succeeded"] - first["Pending"]


@contextmanager
def environment_with_cluster() -> Iterator[tuple[Path, Watch]]:
    """Makes one with an empty cluster the current environment; gives a folder, and what is heard of the pods."""
    from include.environment.settings import ENVIRONMENTS, load_settings

    with TemporaryDirectory(prefix="bench-cluster-") as folder, _server() as said:
        (Path(folder) / "default.yaml").write_bytes((ENVIRONMENTS / "default.yaml").read_bytes())
        (Path(folder) / "bench.yaml").write_text(ENVIRONMENT, encoding="utf-8")
        own = {
            "ENVIRONMENTS_FOLDER": folder,
            "PIPELINES_ENVIRONMENT": "bench",
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": said["connection"],
            "no_proxy": "127.0.0.1",
        }
        with patch.dict(os.environ, own):
            load_settings.cache_clear()
            yield Path(folder), said["watch"]
    load_settings.cache_clear()


@contextmanager
def _server() -> Iterator[dict[str, Any]]:
    """What the server says of itself, with a watch of its pods. Raises TrainerError if it does not start."""
    command = [sys.executable, "-m", "tests.kubernetes"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said:
                raise TrainerError(f"{' '.join(command)} did not start")
            about = json.loads(said)
            yield {**about, "watch": _watch(about["address"])}
        finally:
            process.terminate()


def _watch(address: str) -> Watch:
    """Begun when this returns; it ends with the server."""
    import urllib3

    heard: Watch = SimpleQueue()
    pods = f"{address}/api/v1/namespaces/training/pods?watch=true"
    answer = urllib3.request("GET", pods, preload_content=False, timeout=None)

    def listen() -> None:
        with suppress(urllib3.exceptions.HTTPError), answer:
            for line in answer:
                at, event = time.perf_counter(), json.loads(line)
                heard.put(Heard(at, event["type"], event["object"]["status"]["phase"]))

    threading.Thread(target=listen, name="watch-of-pods", daemon=True).start()
    return heard
