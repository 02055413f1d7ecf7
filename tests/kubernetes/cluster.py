"""A whole cluster for tests: API server, scheduler and kubelets in this process, over plain HTTP on loopback.

As on a real one: what is refused and in which words, defaults, labels, versions, watches, deletion with grace, placement and
preemption, what a pod's status says, and that a container has nothing but its image, its variables and its volumes (see
processes.py for how far that goes on this machine). Limits on memory and disk are kept by looking, a few times a second.

Not there: containers that start again, probes, hooks, exec, sub-resources other than `log`, lists in pages, limits on CPU,
networks (the pods of a Job find their first one by its name, at this machine's loopback), service-account tokens, affinity
between pods, preferences; a volume in memory is each container's own. Back-off and a lost node take about a second instead
of minutes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from tests.kubernetes import states
from tests.kubernetes.api import ApiServer, Request
from tests.kubernetes.disruptions import lose
from tests.kubernetes.faults import Faults
from tests.kubernetes.jobs import JobController
from tests.kubernetes.kubelet import Order, Worker
from tests.kubernetes.processes import can_isolate
from tests.kubernetes.scheduler import Scheduler
from tests.kubernetes.spec import Node, Spec, Taint
from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Object, Store

UNREACHABLE = (
    Taint(key="node.kubernetes.io/unreachable", effect="NoSchedule"),
    Taint(key="node.kubernetes.io/unreachable", effect="NoExecute"),
)


@dataclass(frozen=True)
class PodHistory:
    """A pod that was there, or still is."""

    name: str
    labels: dict[str, str]
    spec: dict[str, Any]
    status: dict[str, Any]
    """The last that was seen."""
    phases: tuple[str, ...]
    """Each phase in which it was seen, in order."""
    logs: dict[str, str]
    """By container."""
    object: Object

    @property
    def step(self) -> str:
        return self.labels.get("step", "")


class Cluster:
    """Started by `with`; at its end all processes have ended and nothing is left behind."""

    def __init__(self, spec: Spec | None = None, port: int = 0) -> None:
        spec = spec or Spec()
        self.spec = replace(spec, isolated=spec.isolated and can_isolate())
        self.store = Store()
        self.faults = Faults()
        self.workers: dict[str, Worker] = {}
        self._lost_nodes: set[str] = set()
        self._read_disruptions: set[str] = set()
        self._api = ApiServer(self, port)
        self._stopping = threading.Event()
        self._scheduler = Scheduler(self)
        self._jobs = JobController(self)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="kubernetes-"))
        self.folder.chmod(0o755)
        self._api.start()
        self._scheduler.start()
        self._jobs.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._jobs.stop()
        self._scheduler.stop()
        self._api.stop()
        for worker in self.workers.values():
            worker.end(Order(-1, silent=True))
        for worker in self.workers.values():
            worker.join()
        for thread in threading.enumerate():
            if thread.name in {"deletion", "taint-manager", "node-returns"}:
                thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return self._api.address

    @property
    def requests(self) -> list[Request]:
        """All that clients asked, in order."""
        return list(self._api.requests)

    @property
    def pods(self) -> list[PodHistory]:
        """Every pod that was ever created, in order."""
        return [self._history(uid, seen) for uid, seen in list(self.store.history.items())]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes as they stand: one that is lost bears the taints for it."""
        return tuple(
            replace(node, taints=(*node.taints, *UNREACHABLE)) if node.name in self._lost_nodes else node
            for node in self.spec.nodes
        )

    def kubeconfig(self) -> dict[str, Any]:
        """What a client needs to talk to this cluster."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {"server": self.address}}],
            "users": [{"name": "tests", "user": {"token": self.spec.token} if self.spec.token else {}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }

    def connection_json(self) -> str:
        """An Airflow connection to this cluster, as AIRFLOW_CONN_KUBERNETES_DEFAULT takes it."""
        return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(self.kubeconfig())}})

    def lose_node(self, name: str, *, returns: bool = False) -> None:
        """Cut a node off; with `returns` it is back, empty, once its pods are gone."""
        self._lost_nodes.add(name)
        lost = [one for one in self.workers.values() if one.pod["spec"].get("nodeName") == name and not one.lost]
        for worker in lost:
            if not states.has_ended(worker.pod):
                lose(worker, self)
        if returns:
            threading.Thread(target=self._node_returns, args=(name,), name="node-returns", daemon=True).start()

    def restore_node(self, name: str) -> None:
        self._lost_nodes.discard(name)

    def sleep(self, seconds: float) -> bool:
        """Whether the cluster still runs after so many seconds."""
        return not self._stopping.wait(seconds)

    def delete_pod(self, namespace: str, name: str, grace: int | None) -> Object:
        """What the API does with a request to delete a pod: it goes once its containers have ended."""
        pod = self.store.update("pods", namespace, name, lambda one: _marked(one, grace))
        seconds = pod["metadata"]["deletionGracePeriodSeconds"]
        worker = self.workers.get(pod["metadata"]["uid"])
        if worker is not None:
            worker.end(Order(seconds))
        if seconds == 0 or worker is None:
            return self.store.remove("pods", namespace, name, pod["metadata"]["uid"])
        if not worker.lost:
            threading.Thread(target=self._remove_ended, args=(worker,), name="deletion", daemon=True).start()
        return pod

    def mark_deleted(self, worker: Worker) -> None:
        """Ask for a pod's end where no kubelet is left to hear it."""
        worker.update(lambda pod: _marked(pod, None))

    def note_read(self, pod: Object) -> None:
        """Remember that a client has read the disruption of a pod, if the pod shows one."""
        if states.is_disrupted(pod):
            self._read_disruptions.add(pod["metadata"]["uid"])

    def wait_until_read(self, worker: Worker) -> None:
        """Wait until a client has read the pod's disruption, if its fault asks for that."""
        while worker.stays_until_read and worker.uid not in self._read_disruptions:
            if not self.sleep(0.02):
                return

    def remove(self, worker: Worker) -> None:
        with contextlib.suppress(ApiError):
            self.store.remove("pods", worker.namespace, worker.name, worker.uid)

    def _remove_ended(self, worker: Worker) -> None:
        worker.join()
        self.wait_until_read(worker)
        self.remove(worker)

    def _node_returns(self, name: str) -> None:
        while self.sleep(0.05):
            if not any(
                one["spec"].get("nodeName") == name and not states.has_ended(one) for one in self.store.find("pods")
            ):
                self.restore_node(name)
                return

    def _history(self, uid: str, seen: list[Object]) -> PodHistory:
        last, worker = seen[-1], self.workers.get(uid)
        phases = [one["status"]["phase"] for one in seen]
        return PodHistory(
            name=last["metadata"]["name"],
            labels=last["metadata"].get("labels") or {},
            spec=last["spec"],
            status=last["status"],
            phases=tuple(phase for before, phase in zip([None, *phases], phases, strict=False) if phase != before),
            logs={name: log.text() for name, log in worker.logs.items()} if worker else {},
            object=last,
        )


def _marked(pod: Object, grace: int | None) -> None:
    """Note when a pod is to be gone; a later request can only shorten that."""
    meta = pod["metadata"]
    seconds = pod["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
    if states.has_ended(pod) or not pod["spec"].get("nodeName"):
        seconds = 0
    if "deletionTimestamp" not in meta or seconds < meta["deletionGracePeriodSeconds"]:
        when = datetime.now(UTC) + timedelta(seconds=seconds)
        meta |= {"deletionTimestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "deletionGracePeriodSeconds": seconds}
