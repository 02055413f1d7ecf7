"""Runs the pods that are bound to a node."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubernetes import states
from tests.kubernetes.containers import asked_of, limit_of, prepare_volumes, too_much_disk
from tests.kubernetes.disruptions import befall, evict
from tests.kubernetes.events import record
from tests.kubernetes.faults import WHILE_RUNNING, Fault
from tests.kubernetes.logs import Log
from tests.kubernetes.processes import Asked, NotStartedError, Process, stop
from tests.kubernetes.pulling import RETRY_SECONDS, image_of
from tests.kubernetes.spec import Image
from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Object
from tests.kubernetes.times import now
from tests.kubernetes.variables import ConfigurationMissingError

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

TICK = 0.03
BETWEEN_CHECKS = 0.25


@dataclass(frozen=True)
class Order:
    """Why a pod has to end before its containers do."""

    grace: float
    reason: str = ""
    """The pod's own reason; empty where the exit codes say enough."""
    message: str = ""
    silent: bool = False
    """Nobody is left to say how the pod ended."""


class PodEndsError(Exception):
    """Leaves what a worker does for its pod."""


class Worker:
    """What a kubelet does for one pod, in a thread of its own."""

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        meta = pod["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.pod = pod
        self.folder: Path = cluster.folder / self.uid
        self.logs = {one["name"]: Log() for one in states.all_containers(pod)}
        self.processes: dict[str, Process] = {}
        self.lost = False
        """Whether its node does not answer any more."""
        self.stays_until_read = False
        """Return True if the pod is removed only after a client has read its disruption."""
        self._cluster = cluster
        self._order: Order | None = None
        self._checked = 0.0
        self._out_of_memory: set[str] = set()
        self._began = self._started = 0.0
        self._fault: Fault | None = None
        self._thread = threading.Thread(target=self._run, name=f"kubelet-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, order: Order) -> None:
        """Have the pod end; a shorter grace replaces a longer one."""
        if self._order is None or order.grace < self._order.grace:
            self._order = order

    def join(self) -> None:
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def update(self, change: Callable[[Object], None]) -> None:
        """Change the pod; one that is gone needs no change."""

        def own(pod: Object) -> None:
            if pod["metadata"]["uid"] == self.uid:
                change(pod)

        with contextlib.suppress(ApiError):
            self.pod = self._cluster.store.update("pods", self.namespace, self.name, own)

    def kill(self, name: str = "", *, out_of_memory: bool = False) -> None:
        """End a container as the kernel does; without a name, the first that runs."""
        running = [one for one, process in self.processes.items() if process.exit_code(0) is None and name in {"", one}]
        for one in running[:1]:
            if out_of_memory:
                self._out_of_memory.add(one)
            self.processes[one].signal(signal.SIGKILL)

    def _run(self) -> None:
        try:
            with contextlib.suppress(PodEndsError):
                self._prepare()
                self._run_containers()
            self._finish()
        finally:
            for log in self.logs.values():
                log.end()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._began = time.monotonic()
        self.folder.mkdir()

        def begin(pod: Object) -> None:
            pod["status"] |= {"startTime": now(), "hostIP": "10.0.0.1", "podIP": "10.244.0.2"}
            initial = bool(pod["spec"].get("initContainers"))
            for container in states.all_containers(pod):
                states.waiting(pod, container["name"], "PodInitializing" if initial else "ContainerCreating")
            states.set_condition(pod, "Initialized", "False" if initial else "True")
            for kind in ("Ready", "ContainersReady"):
                states.set_condition(pod, kind, "False", "ContainersNotReady")

        self.update(begin)
        while missing := prepare_volumes(self.pod, self.folder, self._cluster.spec):
            self.event("FailedMount", f"MountVolume.SetUp failed for volume {missing}", "Warning")
            self.pause(RETRY_SECONDS)

    def _run_containers(self) -> None:
        spec = self.pod["spec"]
        for container in spec.get("initContainers") or []:
            self._create(container)
            if self._wait([container["name"]]):
                raise PodEndsError
        self.update(lambda pod: states.set_condition(pod, "Initialized", "True"))
        for container in spec["containers"]:
            self._create(container)
        self.update(self._is_running)
        self._wait([one["name"] for one in spec["containers"]])

    @staticmethod
    def _is_running(pod: Object) -> None:
        if any("waiting" not in one["state"] for one in pod["status"]["containerStatuses"]):
            pod["status"]["phase"] = "Running"
        for kind in ("Ready", "ContainersReady"):
            states.set_condition(pod, kind, "True")

    def _create(self, container: Object) -> None:
        """Get the image and start the container."""
        name = container["name"]
        image = image_of(container, self, self._cluster)
        asked = self._configured(container, image)
        self.event("Created", f"Created container: {name}")
        try:
            process = Process(asked, self.logs[name], self.folder, isolated=self._cluster.spec.isolated)
        except NotStartedError as error:
            runtime = "failed to create containerd task: failed to create shim task: OCI runtime create failed"
            said = f'{runtime}: exec: "{asked.command[0]}": {error}: unknown'
            self.event("Failed", f"Error: {said}", "Warning")
            self.update(lambda pod: states.terminated(pod, name, 128, "StartError", said))
            return
        self.processes[name] = process
        self.event("Started", f"Started container {name}")
        self.update(lambda pod: states.running(pod, name, uuid.uuid4().hex))
        if not self._started:
            self._started = time.monotonic()
            self._fault = self._cluster.faults.of(self.pod, *WHILE_RUNNING)

    def _configured(self, container: Object, image: Image) -> Asked:
        """What the container is started with, once all that it refers to is there."""
        while True:
            try:
                return asked_of(container, self.pod, image, self.folder, self._cluster.spec)
            except ConfigurationMissingError as error:
                self.waits(container["name"], "CreateContainerConfigError", str(error))
                self.event("Failed", f"Error: {error}", "Warning")
                self.pause(RETRY_SECONDS)

    def _wait(self, names: list[str]) -> bool:
        """Wait for containers to end; whether one of them failed."""
        left = [name for name in names if name in self.processes]
        failed = len(left) < len(names)
        while left:
            self._look_around()
            for name in list(left):
                code = self.processes[name].exit_code(TICK)
                if code is not None:
                    left.remove(name)
                    time.sleep(self._cluster.spec.status_seconds)
                    failed = failed or code != 0
                    self.update(lambda pod, name=name, code=code: self._ended(pod, name, code))  # type: ignore[misc]
        return failed

    def _ended(self, pod: Object, name: str, code: int) -> None:
        states.terminated(pod, name, code, "OOMKilled" if name in self._out_of_memory else "")

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look_around()
            time.sleep(TICK)

    def _look_around(self) -> None:
        """Leave where the pod has to end; let befall it what is to befall it."""
        if self._fault is not None and time.monotonic() - self._started >= self._fault.after:
            fault, self._fault = self._fault, None
            befall(fault, self, self._cluster)
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        if deadline and time.monotonic() - self._began > deadline and self._order is None:
            message = "Pod was active on the node longer than the specified deadline"
            self.event("DeadlineExceeded", message)
            self.end(Order(self.pod["spec"]["terminationGracePeriodSeconds"], "DeadlineExceeded", message))
        self._check_use()
        if self._order is not None:
            raise PodEndsError

    def _check_use(self) -> None:
        """End a container that uses more memory than its limit, and the pod that uses more of the node's disk."""
        if not self._cluster.spec.limits or time.monotonic() - self._checked < BETWEEN_CHECKS:
            return
        self._checked = time.monotonic()
        for name, process in self.processes.items():
            limit = limit_of([states.container_of(self.pod, name)], "memory")
            if limit and process.exit_code(0) is None and process.memory() > limit:
                self.kill(name, out_of_memory=True)
        if (message := too_much_disk(self.pod, self.folder)) and self._order is None:
            evict(self, self._cluster, message)

    def _finish(self) -> None:
        """End what still runs, and say how the pod ended."""
        self._stop_processes()
        if self._order is not None and self._order.silent:
            return
        self.update(self._has_ended)

    def _has_ended(self, pod: Object) -> None:
        for name, process in self.processes.items():
            if "running" in states.container_status(pod, name)["state"]:
                self._ended(pod, name, process.exit_code(0) or 0)
        order = self._order or Order(0)
        states.finished(pod, order.reason, order.message)

    def _stop_processes(self) -> None:
        order = self._order or Order(0)
        running = {name: one for name, one in self.processes.items() if one.exit_code(0) is None}
        for name in running if not order.silent else ():
            self.event("Killing", f"Stopping container {name}")
        stop(list(running.values()), lambda: (self._order or order).grace)

    def waits(self, name: str, reason: str, message: str) -> None:
        self.update(lambda pod: states.waiting(pod, name, reason, message))

    def event(self, reason: str, message: str, kind: str = "Normal") -> None:
        record(self._cluster.store, self.pod, reason, message, kind)
