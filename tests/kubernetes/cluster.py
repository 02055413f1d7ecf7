"""A whole cluster for tests: API server, scheduler and kubelets in this process."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from tests.kubernetes import states
from tests.kubernetes.api import ApiServer
from tests.kubernetes.events import record_by_scheduler
from tests.kubernetes.kubelet import Order, Worker
from tests.kubernetes.processes import can_isolate
from tests.kubernetes.scheduler import node_for
from tests.kubernetes.spec import Spec
from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Object, Store


class Cluster:
    """Started by `with`; at its end all processes have ended and nothing is left behind."""

    def __init__(self, spec: Spec | None = None, port: int = 0) -> None:
        spec = spec or Spec()
        self.spec = replace(spec, isolated=spec.isolated and can_isolate())
        self.store = Store()
        self.workers: dict[str, Worker] = {}
        self._api = ApiServer(self, port)
        self._stopping = threading.Event()
        self._scheduler = threading.Thread(target=self._schedule, name="scheduler", daemon=True)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="kubernetes-"))
        self._folder.chmod(0o755)
        self._api.start()
        self._scheduler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._api.stop()
        self._scheduler.join()
        for worker in self.workers.values():
            worker.end(Order(0))
        for worker in self.workers.values():
            worker.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return self._api.address

    def kubeconfig(self) -> dict[str, Any]:
        """What a client needs to talk to this cluster."""
        named = {"cluster": "tests", "user": "tests"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {"server": self.address}}],
            "users": [{"name": "tests", "user": {"token": self.spec.token} if self.spec.token else {}}],
            "contexts": [{"name": "tests", "context": named}],
            "current-context": "tests",
        }

    def connection_json(self) -> str:
        """An Airflow connection to this cluster, as AIRFLOW_CONN_KUBERNETES_DEFAULT takes it."""
        return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(self.kubeconfig())}})

    def delete_pod(self, namespace: str, name: str, grace: int | None) -> Object:
        """What the API does with a request to delete a pod: it goes once its containers have ended."""

        def mark(pod: Object) -> None:
            meta = pod["metadata"]
            seconds = pod["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
            if states.has_ended(pod) or not pod["spec"].get("nodeName"):
                seconds = 0
            if "deletionTimestamp" not in meta or seconds < meta["deletionGracePeriodSeconds"]:
                when = datetime.now(UTC) + timedelta(seconds=seconds)
                meta |= {
                    "deletionTimestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "deletionGracePeriodSeconds": seconds,
                }

        pod = self.store.update("pods", namespace, name, mark)
        seconds = pod["metadata"]["deletionGracePeriodSeconds"]
        worker = self.workers.get(pod["metadata"]["uid"])
        if worker is not None:
            worker.end(Order(seconds))
        if seconds == 0 or worker is None:
            return self.store.remove("pods", namespace, name, pod["metadata"]["uid"])
        threading.Thread(target=self._remove_ended, args=(worker,), name="deletion", daemon=True).start()
        return pod

    def _remove_ended(self, worker: Worker) -> None:
        worker.join()
        with contextlib.suppress(ApiError):
            self.store.remove("pods", worker.namespace, worker.name, worker.uid)

    def _schedule(self) -> None:
        seen = -1
        while not self._stopping.is_set():
            with self.store.changed:
                if self.store.version == seen:
                    self.store.changed.wait(0.2)
                    continue
                seen = self.store.version
                for pod in self.store.find("pods"):
                    if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
                        self._place(pod)

    def _place(self, pod: Object) -> None:
        meta = pod["metadata"]
        node, why = node_for(pod, self.spec.nodes, self.store.find("pods"))

        def placed(found: Object) -> None:
            if node is None:
                states.set_condition(found, "PodScheduled", "False", "Unschedulable", why)
                return
            found["spec"]["nodeName"] = node.name
            states.set_condition(found, "PodScheduled", "True")

        after = self.store.update("pods", meta["namespace"], meta["name"], placed)
        if node is None:
            if after["metadata"]["resourceVersion"] != meta["resourceVersion"]:
                record_by_scheduler(self.store, after, "FailedScheduling", why, "Warning")
            return
        record_by_scheduler(
            self.store, after, "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {node.name}"
        )
        worker = self.workers[meta["uid"]] = Worker(after, self.store, self.spec, self._folder)
        worker.start()
