"""What is asked of the cluster's API while a step's pod lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import KubernetesApiException
from airflow.providers.cncf.kubernetes.utils.container import container_is_running
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase, parse_log_line
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from include.operators.base import log_line
from include.operators.pods.endings import (
    Ending,
    disruption_of,
    does_not_end,
    has_succeeded,
    only_others_run,
    startup_problem,
    waiting_reason,
    waits_in_trouble,
)
from include.operators.pods.log_lines import ReadLines
from include.operators.pods.refusals import CONFLICT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from kubernetes.client import CoreV1Api
    from kubernetes.client.models import V1Pod

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
SECONDS_TO_TELL = 3.0
TRIES = 3
SECONDS_TO_CONNECT, QUIET_SECONDS = 60, 300
"""For the output of a container: how long a silence may last before the connection is made anew."""
ALWAYS = 10 * 365 * 24 * 3600
"""Seconds after its container's end for which output is asked for."""
TROUBLES = (ApiException, HTTPError, KubernetesApiException)
"""What a question to the cluster can end in."""
ENDED = {PodPhase.SUCCEEDED, PodPhase.FAILED}


class StepPodManager(PodManager):
    """The provider's manager, which neither logs a pod's specification nor takes a step's line for text of its own."""

    def __init__(self, kube_client: CoreV1Api) -> None:
        super().__init__(kube_client=kube_client)
        self.disruption: Ending | None = None
        """What was announced to the pod, which can be gone before its end is read."""
        self.read_lines: defaultdict[str, ReadLines] = defaultdict(ReadLines)
        """How far the output of each container has been read."""

    def run_pod_async(self, pod: V1Pod, **kwargs: Any) -> V1Pod:
        """Create the pod. One that is there already is the same: the answer to an earlier request was lost."""
        body = self._client.api_client.sanitize_for_serialization(pod)
        try:
            return self._client.create_namespaced_pod(body=body, namespace=pod.metadata.namespace, **kwargs)
        except ApiException as error:
            if error.status != CONFLICT or said_in(error, "reason") != "AlreadyExists":  # else of a quota, busy
                raise
            return self.read_pod(pod)

    def read_pod(self, pod: V1Pod) -> V1Pod:
        """The pod as it stands."""
        found = super().read_pod(pod)
        self.note(found)
        return found

    def note(self, pod: V1Pod) -> None:
        """Remember what is announced to the pod."""
        self.disruption = disruption_of(pod) or self.disruption

    def read_pod_logs(self, pod: V1Pod, container_name: str, **kwargs: Any) -> Iterator[bytes]:
        """The lines of a container that have not been read before.

        Where the reading goes on, the provider asks for the last seconds by its own clock, which the node's need not
        agree with: all is asked for instead. Where the pod is gone meanwhile, it leaves the connection open. It drops
        the output of a container that ended two minutes ago, and Airflow takes longer to notice a dead scheduler.
        """
        own = {"since_seconds": None, "_request_timeout": (SECONDS_TO_CONNECT, QUIET_SECONDS)}
        kwargs.update(own, post_termination_timeout=ALWAYS)
        lines = super().read_pod_logs(pod, container_name, **kwargs)
        with contextlib.closing(lines.response):
            yield from self.read_lines[container_name].unread(lines)

    def tell_rest(self, pod: V1Pod, container_name: str) -> None:
        """Log what a container that has ended had said, as far as it has not been read before."""
        for left in reversed(range(TRIES)):
            try:
                for line in self.read_pod_logs(pod, container_name, follow=False, timestamps=True):
                    self._log_message(parse_log_line(line.decode(errors="backslashreplace"))[1])
            except HTTPError:  # it broke off
                if left:
                    continue
                raise
            return

    def events_of(self, pod: V1Pod) -> Sequence[Any]:
        """The pod's events, oldest first; none where they cannot be read."""
        try:
            events = self.read_pod_events(pod).items
        except TROUBLES as error:
            self.log.warning("the events of pod %s cannot be read: %s", pod.metadata.name, reason_of(error))
            return []
        return oldest_first(events)

    def container_is_running(self, pod: V1Pod, container_name: str) -> bool:
        """Whether its output, which has come to an end, may go on.

        A node tells of a container's end a moment after that of its output, which would be read again meanwhile. That
        of a pod that its node has forgotten does not go on.
        """
        until = time.monotonic() + SECONDS_TO_TELL
        while container_is_running(found := self.read_pod(pod), container_name) and not does_not_end(found):
            if time.monotonic() > until:
                return True
            time.sleep(FIRST_PAUSE)
        return False

    def wait_for_end(self, pod: V1Pod) -> V1Pod:
        """Return the pod once it has ended, its step has succeeded, or it is clear that it never will end.

        It does not end with its step where the cluster has put a container beside that. A node tells of the pod's end
        a second after that of its container, which matters only where something has failed.
        """
        pause, until = FIRST_PAUSE, math.inf
        while (found := self.read_pod(pod)).status.phase not in ENDED and not does_not_end(found):
            if has_succeeded(found):
                break
            if only_others_run(found):
                until = min(until, time.monotonic() + SECONDS_TO_TELL)
            if time.monotonic() > until:
                break
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
        return found

    def _log_message(self, message: str, *_: Any, **__: Any) -> None:
        if message.strip():
            log_line(self.log, message.rstrip())


def oldest_first(events: Sequence[Any]) -> Sequence[Any]:
    """Events in the order in which they came last."""
    return sorted(events, key=lambda event: str(event.last_timestamp or event.event_time or ""))


class StartWatch:
    """The time for which a pod has waited for a node, and then to run, and the reasons."""

    def __init__(self, schedule_seconds: float, startup_seconds: float, tell: Callable[[str], None]) -> None:
        """`tell` gets each reason for which the pod waits, once: a pull that fails alternates between two."""
        self._patience = {False: schedule_seconds, True: startup_seconds}
        self._tell = tell
        self._scheduled, self._since = False, time.monotonic()
        self._known = {""}

    def is_over(self, pod: V1Pod) -> bool:
        """Return True once a pod that waits has had its time to be scheduled, or after that to start."""
        if (reason := waiting_reason(pod)) not in self._known:
            self._known.add(reason)
            self._tell(reason)
        if not self._scheduled and _is_scheduled(pod):
            self._scheduled, self._since = True, time.monotonic()
        return time.monotonic() - self._since > self._patience[self._scheduled]


def has_started(pod: V1Pod) -> bool:
    """Return True once the pod runs or has run."""
    return pod.status.phase not in {PodPhase.PENDING, PodPhase.UNKNOWN, None}


async def wait_for_start(
    read: Callable[[], Awaitable[V1Pod]],
    events: Callable[[], Awaitable[Sequence[Any]]],
    schedule_seconds: float,
    startup_seconds: float,
    tell: Callable[[str], None],
) -> bool:
    """Return whether the pod leaves the phase Pending within the time for its scheduling, and then for its start."""
    pause, watch = FIRST_PAUSE, StartWatch(schedule_seconds, startup_seconds, tell)
    while not has_started(pod := await read()):
        if watch.is_over(pod):
            return False
        if waits_in_trouble(pod) and startup_problem(pod, await events()) is not None:
            return False
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, 1.5 * pause)
    return True


def _is_scheduled(pod: V1Pod) -> bool:
    return any(one.type == "PodScheduled" and one.status == "True" for one in pod.status.conditions or [])


def reason_of(error: Exception) -> str:
    """What the cluster's API says of an error, without the request that led to it."""
    if not isinstance(error, ApiException):
        return f"{type(error).__name__}: {error}"
    return f"{error.status} {said_in(error, 'message') or error.reason}"


def said_in(error: ApiException, field: str) -> str:
    """A field of the answer to a request that failed; empty where there is none."""
    try:
        return str(json.loads(error.body or "")[field])
    except (ValueError, KeyError, TypeError):
        return ""
