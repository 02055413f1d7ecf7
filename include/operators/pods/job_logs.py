"""The output of the pods of a Job, in the task's log: that of the step as it comes, that of others if they fail."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from include.operators.pods.endings import begun_containers, does_not_end
from include.operators.pods.job_state import index_of
from include.operators.pods.manager import TROUBLES, StepPodManager, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kubernetes.client import CoreV1Api
    from kubernetes.client.models import V1Pod

SECONDS_FOR_THE_REST = 10.0


class JobLogs:
    """Follows the pod with the step, and each one that takes its place."""

    def __init__(self, client: CoreV1Api, warn: Callable[..., Any]) -> None:
        self._client, self._warn = client, warn
        self._managers: dict[str, StepPodManager] = {}
        self._followed: dict[str, threading.Thread] = {}

    def follow(self, pods: Iterable[V1Pod]) -> None:
        """Begin to follow the step where it has begun."""
        for pod in pods:
            name = pod.metadata.name
            if index_of(pod) == 0 and name not in self._followed and begun_containers(pod):
                thread = threading.Thread(target=self._each, args=(pod, self._stream), name=f"log-{name}", daemon=True)
                self._followed[name] = thread
                thread.start()

    def finish(self, pods: Iterable[V1Pod]) -> None:
        """Log the rest of what was followed: a stream can break off at the end, or begin too late."""
        self.wait()
        for pod in pods:
            if index_of(pod) == 0 and not does_not_end(pod):
                self.log_rest(pod)

    def wait(self) -> None:
        """Wait for the end of what is followed, which comes with that of its pod."""
        until = time.monotonic() + SECONDS_FOR_THE_REST
        for thread in self._followed.values():
            thread.join(max(0.0, until - time.monotonic()))

    def log_rest(self, pod: V1Pod) -> None:
        """Log what a pod has said, as far as it is not logged yet."""
        self._each(pod, StepPodManager.tell_rest)

    def _each(self, pod: V1Pod, read: Callable[[StepPodManager, V1Pod, str], None]) -> None:
        manager = self._managers.setdefault(pod.metadata.name, StepPodManager(self._client))
        for container in begun_containers(pod):
            try:
                read(manager, pod, container)
            except TROUBLES as error:
                name = pod.metadata.name
                self._warn("the output of container %s of pod %s cannot be read: %s", container, name, reason_of(error))

    @staticmethod
    def _stream(manager: StepPodManager, pod: V1Pod, container: str) -> None:
        manager.fetch_container_logs(pod, container, follow=True)
