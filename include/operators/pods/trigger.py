"""Waiting for a step's pod in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    AsyncPodManager,
    PodLaunchTimeoutException,
    parse_log_line,
)

from include.operators.base import log_line
from include.operators.pods.endings import STEP, disruption_of, does_not_end
from include.operators.pods.log_lines import ReadLines, stamp_of
from include.operators.pods.manager import oldest_first, wait_for_start
from include.operators.pods.manifest import SECONDS_TO_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
    from kubernetes.client.models import V1Pod

    from include.operators.pods.log_lines import Position

POLL_SECONDS = 2
SECONDS_BETWEEN_LOGS = 15


class PodStepTrigger(KubernetesPodTrigger):
    """The provider's trigger, which takes the same view of a pod that cannot start as the operator does."""

    @classmethod
    def for_pod(
        cls,
        pod: V1Pod,
        *,
        connection: str | None,
        patience: tuple[float, float],
        deadline: float | None,
        redeferrals: int,
        read_until: Position,
    ) -> PodStepTrigger:
        """The trigger that waits for this pod, until the deadline (in seconds since 1970) where there is one.

        `patience` is how many seconds it may wait for a node, and then to run; `read_until`, which of the step's lines
        the task's log has.
        It looks the connection up itself: no secret is kept with it.
        """
        return cls(
            pod_name=pod.metadata.name,
            pod_namespace=pod.metadata.namespace,
            trigger_start_time=datetime.now(UTC),
            base_container_name=STEP,
            kubernetes_conn_id=connection,
            in_cluster=True if connection is None else None,
            poll_interval=POLL_SECONDS,
            schedule_timeout=int(patience[0]),
            startup_timeout=int(patience[1]),
            log_events_on_startup=False,
            logging_interval=SECONDS_BETWEEN_LOGS,
            termination_grace_period=SECONDS_TO_END,
            trigger_kwargs={"redeferrals": redeferrals, "read_until": read_until, "_execution_deadline": deadline},
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """This class, by the path that a triggerer imports it from."""
        return f"{type(self).__module__}.{type(self).__qualname__}", super().serialize()[1]

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """The provider's manager, which logs a step's lines as they are."""
        return _StepAsyncPodManager(self.hook, self.trigger_kwargs)

    async def _wait_for_pod_start(self) -> ContainerState:
        patience = (self.schedule_timeout, self.startup_timeout)
        started = await wait_for_start(self._get_pod, self._events, *patience, self.log.warning)
        if not started:
            raise PodLaunchTimeoutException("the pod did not start")
        return self.define_pod_container_state(await self._get_pod())

    async def _events(self) -> Sequence[Any]:
        found = await self.hook.get_pod_events(self.pod_name, self.pod_namespace)
        return oldest_first(found.items)

    def define_pod_container_state(self, pod: V1Pod) -> ContainerState:
        """The provider's view, but for a pod that its node has forgotten: that one has failed.

        What is announced to the pod goes into the event: it can be gone by then.
        """
        if (disruption := disruption_of(pod)) is not None:
            self.trigger_kwargs["disruption"] = asdict(disruption)
        return ContainerState.FAILED if does_not_end(pod) else super().define_pod_container_state(pod)


class _StepAsyncPodManager(AsyncPodManager):
    def __init__(self, hook: AsyncKubernetesHook, told: dict[str, Any]) -> None:
        """`told` goes into the event: with it the operator knows what has been logged."""
        super().__init__(async_hook=hook)
        self._told = told
        self._lines = ReadLines(tuple(told["read_until"]))

    async def fetch_container_logs_before_current_sec(  # type: ignore[override]
        self, pod: V1Pod, container_name: str, since_time: datetime | None = None
    ) -> datetime | None:
        """Log what has been said since; returns from when on the next reading has to be.

        The provider would leave the lines of the current second for later, and take an error of the API for output.
        """
        now = datetime.now(UTC)
        seconds = math.ceil((now - since_time).total_seconds()) if since_time else None
        lines = await self._hook.read_logs(pod.metadata.name, pod.metadata.namespace, container_name, seconds)
        if lines and stamp_of(lines[0].encode()) is None:
            self.log.warning("the output of pod %s cannot be read just now: %s", pod.metadata.name, lines[0])
            return since_time
        await asyncio.to_thread(self._tell, lines)
        return now

    def _tell(self, lines: list[str]) -> None:
        for line in self._lines.unread(text.encode() for text in lines):
            _, message = parse_log_line(line.decode())
            if message.strip():
                log_line(self.log, message.rstrip())
        self._told["read_until"] = self._lines.position
