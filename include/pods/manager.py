"""What is asked of the cluster's API while a step's pod lives."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import KubernetesApiException
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from include.pods.endings import startup_problem, waits_in_trouble
from include.steps import log_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kubernetes.client.models import V1Pod

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
CONFLICT, NOT_FOUND = 409, 404
TROUBLES = (ApiException, HTTPError, KubernetesApiException)
"""What a question to the cluster can end in."""
ENDED = {PodPhase.SUCCEEDED, PodPhase.FAILED}


class StepPodManager(PodManager):
    """The provider's manager, which neither logs a pod's specification nor takes a step's line for text of its own."""

    def run_pod_async(self, pod: V1Pod, **kwargs: Any) -> V1Pod:
        """Create the pod. One of its name is the same: the answer to an earlier request was lost."""
        body = self._client.api_client.sanitize_for_serialization(pod)
        try:
            return self._client.create_namespaced_pod(body=body, namespace=pod.metadata.namespace, **kwargs)
        except ApiException as error:
            if error.status != CONFLICT:
                raise
            return self.read_pod(pod)

    def events_of(self, pod: V1Pod) -> Sequence[Any]:
        """The pod's events, oldest first; none where they cannot be read."""
        try:
            events = self.read_pod_events(pod).items
        except TROUBLES as error:
            self.log.warning("the events of pod %s cannot be read: %s", pod.metadata.name, reason_of(error))
            return []
        return sorted(events, key=lambda event: str(event.last_timestamp or event.event_time or ""))

    def wait_for_end(self, pod: V1Pod) -> V1Pod:
        """The pod once it has ended; its containers have, so this takes no time."""
        pause = FIRST_PAUSE
        while (found := self.read_pod(pod)).status.phase not in ENDED:
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
        return found

    def _log_message(self, message: str, *_: Any, **__: Any) -> None:
        log_line(self.log, message)


async def wait_for_start(
    read: Callable[[], Awaitable[V1Pod]],
    events: Callable[[], Awaitable[Sequence[Any]]],
    schedule_seconds: float,
    startup_seconds: float,
) -> bool:
    """Whether the pod leaves the phase Pending within the time for its scheduling, and then that for its start."""
    pause, since, scheduled = FIRST_PAUSE, time.monotonic(), False
    while True:
        pod = await read()
        if pod.status.phase not in {PodPhase.PENDING, PodPhase.UNKNOWN, None}:
            return True
        if not scheduled and _is_scheduled(pod):
            scheduled, since = True, time.monotonic()
        if time.monotonic() - since > (startup_seconds if scheduled else schedule_seconds):
            return False
        if waits_in_trouble(pod) and startup_problem(pod, await events()) is not None:
            return False
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, 1.5 * pause)


def _is_scheduled(pod: V1Pod) -> bool:
    return any(one.type == "PodScheduled" and one.status == "True" for one in pod.status.conditions or [])


def reason_of(error: Exception) -> str:
    """What the cluster's API says of an error, without the request that led to it."""
    if not isinstance(error, ApiException):
        return f"{type(error).__name__}: {error}"
    try:
        message = str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        message = str(error.reason)
    return f"{error.status} {message}"
