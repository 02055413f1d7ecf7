"""Runs the pods that are bound to a node."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubernetes import states
from tests.kubernetes.events import record
from tests.kubernetes.logs import Log
from tests.kubernetes.processes import Asked, NotStartedError, Process
from tests.kubernetes.quantities import amount
from tests.kubernetes.spec import Image, Spec
from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Object, Store
from tests.kubernetes.times import now
from tests.kubernetes.variables import ConfigurationMissingError, command_of, environment_of

TICK = 0.05


@dataclass(frozen=True)
class Order:
    """Why a pod has to end before its containers do."""

    grace: float
    reason: str = ""
    """The pod's own reason; empty where the exit codes say enough."""
    message: str = ""


class EndedEarly(Exception):
    """Leaves what a worker does for its pod."""


class Worker:
    """What a kubelet does for one pod, in a thread of its own."""

    def __init__(self, pod: Object, store: Store, spec: Spec, folder: Path) -> None:
        meta = pod["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.logs = {one["name"]: Log() for one in states.all_containers(pod)}
        self.processes: dict[str, Process] = {}
        self._pod = pod
        self._store, self._spec = store, spec
        self._folder = folder / self.uid
        self._order: Order | None = None
        self._thread = threading.Thread(target=self._run, name=f"kubelet-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, order: Order) -> None:
        """Have the pod end; a shorter grace replaces a longer one."""
        if self._order is None or order.grace < self._order.grace:
            self._order = order

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with contextlib.suppress(EndedEarly):
                self._prepare()
                self._run_containers()
            self._finish()
        finally:
            for log in self.logs.values():
                log.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._folder.mkdir()
        for volume in self._pod["spec"].get("volumes") or []:
            folder = self._folder / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            folder.chmod(0o777)
            self._fill(volume, folder)

        def begin(pod: Object) -> None:
            pod["status"] |= {"startTime": now(), "hostIP": "10.0.0.1", "podIP": "10.244.0.2"}
            initial = bool(pod["spec"].get("initContainers"))
            for container in states.all_containers(pod):
                states.waiting(pod, container["name"], "PodInitializing" if initial else "ContainerCreating")
            states.set_condition(pod, "Initialized", "False" if initial else "True")
            for kind in ("Ready", "ContainersReady"):
                states.set_condition(pod, kind, "False", "ContainersNotReady")

        self._update(begin)

    def _fill(self, volume: Object, folder: Path) -> None:
        """What a volume made from a Secret or a ConfigMap holds."""
        namespace = self._spec.namespace(self.namespace)
        for kind, key, known in (
            ("secret", "secretName", namespace.secrets if namespace else {}),
            ("configMap", "name", namespace.config_maps if namespace else {}),
        ):
            if kind in volume:
                for name, text in known.get(volume[kind][key], {}).items():
                    (folder / name).write_text(text)

    def _run_containers(self) -> None:
        spec = self._pod["spec"]
        for container in spec.get("initContainers") or []:
            self._create(container)
            if self._wait([container["name"]]):
                raise EndedEarly
        self._update(lambda pod: states.set_condition(pod, "Initialized", "True"))
        for container in spec["containers"]:
            self._create(container)
        self._update(self._is_running)
        self._wait([one["name"] for one in spec["containers"]])

    @staticmethod
    def _is_running(pod: Object) -> None:
        if any("running" in one["state"] for one in pod["status"]["containerStatuses"]):
            pod["status"]["phase"] = "Running"
        for kind in ("Ready", "ContainersReady"):
            states.set_condition(pod, kind, "True")

    def _create(self, container: Object) -> None:
        """Pull the image and start the container."""
        name = container["name"]
        image = self._image(container)
        while True:
            try:
                asked = self._asked(container, image)
                break
            except ConfigurationMissingError as error:
                self._waits(name, "CreateContainerConfigError", str(error))
                record(self._store, self._pod, "Failed", f"Error: {error}", "Warning")
                self._pause(1)
        record(self._store, self._pod, "Created", f"Created container: {name}")
        try:
            self.processes[name] = Process(asked, self.logs[name], self._folder, isolated=self._spec.isolated)
        except NotStartedError as error:
            said = f'failed to create containerd task: failed to create shim task: OCI runtime create failed: exec: "{asked.command[0]}": {error}: unknown'
            record(self._store, self._pod, "Failed", f"Error: {said}", "Warning")
            self._update(lambda pod: states.terminated(pod, name, 128, "StartError", said))
            return
        record(self._store, self._pod, "Started", f"Started container {name}")
        self._update(lambda pod: states.running(pod, name, uuid.uuid4().hex))

    def _image(self, container: Object) -> Image:
        """The container's image, once it is there."""
        reference, name = container["image"], container["name"]
        if reference in self._spec.images:
            record(self._store, self._pod, "Pulled", f'Container image "{reference}" already present on machine')
            return self._spec.images[reference]
        if container["imagePullPolicy"] == "Never":
            self._waits(
                name, "ErrImageNeverPull", f'Container image "{reference}" is not present with pull policy of Never'
            )
            while True:
                self._pause(1)
        self._cannot_pull(name, reference)
        raise EndedEarly

    def _cannot_pull(self, name: str, reference: str) -> None:
        repository = reference if "/" in reference else f"docker.io/library/{reference}"
        why = f'failed to pull and unpack image "{repository}": failed to resolve reference "{repository}": {repository}: not found'
        said = f"rpc error: code = NotFound desc = {why}"
        while True:
            record(self._store, self._pod, "Pulling", f'Pulling image "{reference}"')
            record(self._store, self._pod, "Failed", f'Failed to pull image "{reference}": {said}', "Warning")
            record(self._store, self._pod, "Failed", "Error: ErrImagePull", "Warning")
            self._waits(name, "ErrImagePull", said)
            self._pause(0.5)
            backing_off = f'Back-off pulling image "{reference}"'
            record(self._store, self._pod, "BackOff", backing_off)
            record(self._store, self._pod, "Failed", "Error: ImagePullBackOff", "Warning")
            self._waits(name, "ImagePullBackOff", f"{backing_off}: ErrImagePull: {said}")
            self._pause(2)

    def _asked(self, container: Object, image: Image) -> Asked:
        namespace = self._spec.namespace(self.namespace)
        if namespace is None:
            raise EndedEarly
        security = {**(self._pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
        user = security.get("runAsUser", image.user)
        if security.get("runAsNonRoot") and user == 0:
            raise ConfigurationMissingError("container has runAsNonRoot and image will run as root")
        variables = environment_of(container, self._pod, namespace)
        return Asked(
            command=command_of(container, image.entrypoint, variables),
            env={**image.env, "HOSTNAME": self.name, **self._service(), **variables},
            user=user,
            directory=container.get("workingDir") or image.working_directory,
            read_only=bool(security.get("readOnlyRootFilesystem")),
            volumes=dict(self._mounts(container)),
            shared=self._spec.shared,
        )

    @staticmethod
    def _service() -> dict[str, str]:
        """The API's own address, which every container is told."""
        return {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    def _mounts(self, container: Object) -> Iterator[tuple[str, dict[str, Any]]]:
        volumes = {one["name"]: one for one in self._pod["spec"].get("volumes") or []}
        for mount in container.get("volumeMounts") or []:
            volume = volumes[mount["name"]]
            empty = volume.get("emptyDir")
            if empty is not None and empty.get("medium") == "Memory" and self._spec.isolated:
                yield mount["mountPath"], {"bytes": int(amount(empty.get("sizeLimit", "0")))}
            else:
                path = self._folder / "volumes" / mount["name"] / mount.get("subPath", "")
                yield mount["mountPath"], {"path": str(path), "read_only": empty is None or bool(mount.get("readOnly"))}

    def _wait(self, names: list[str]) -> bool:
        """Wait for containers to end; whether one of them failed."""
        left, failed = (
            [name for name in names if name in self.processes],
            len([name for name in names if name not in self.processes]),
        )
        while left:
            self._look_around()
            for name in list(left):
                code = self.processes[name].exit_code(TICK)
                if code is not None:
                    left.remove(name)
                    failed += bool(code)
                    self._has_ended(name, code)
        return bool(failed)

    def _has_ended(self, name: str, code: int) -> None:
        self._update(lambda pod: states.terminated(pod, name, code))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look_around()
            time.sleep(TICK)

    def _look_around(self) -> None:
        """Leave where the pod has to end."""
        if self._order is not None:
            raise EndedEarly

    def _finish(self) -> None:
        """End what still runs, and say how the pod ended."""
        self._stop_processes()
        order = self._order

        def ended(pod: Object) -> None:
            for name, process in self.processes.items():
                if "running" in states.container_status(pod, name)["state"]:
                    states.terminated(pod, name, process.exit_code(0) or 0)
            statuses = [
                *(pod["status"].get("initContainerStatuses") or []),
                *(pod["status"].get("containerStatuses") or []),
            ]
            codes = [(one["state"].get("terminated") or {"exitCode": 137})["exitCode"] for one in statuses]
            if not states.has_ended(pod):
                pod["status"]["phase"] = "Failed" if any(codes) or (order and order.reason) else "Succeeded"
            if order and order.reason:
                pod["status"] |= {"reason": order.reason, "message": order.message}
            for kind in ("Ready", "ContainersReady"):
                states.set_condition(pod, kind, "False", "PodFailed" if any(codes) else "PodCompleted")

        self._update(ended)

    def _stop_processes(self) -> None:
        order = self._order or Order(0)
        running = [one for one in self.processes.values() if one.exit_code(0) is None]
        if order.grace > 0:
            for one in running:
                one.signal(signal.SIGTERM)
            until = time.monotonic() + order.grace
            while any(one.exit_code(0) is None for one in running) and time.monotonic() < until:
                time.sleep(TICK)
                until = min(until, time.monotonic() + (self._order or order).grace)
        for one in running:
            one.signal(signal.SIGKILL)
            one.exit_code(10)

    def _waits(self, name: str, reason: str, message: str) -> None:
        self._update(lambda pod: states.waiting(pod, name, reason, message))

    def _update(self, change: Callable[[Object], None]) -> None:
        """Change the pod's status; a pod that is gone needs none."""

        def own(pod: Object) -> None:
            if pod["metadata"]["uid"] == self.uid:
                change(pod)

        with contextlib.suppress(ApiError):
            self._pod = self._store.update("pods", self.namespace, self.name, own)
