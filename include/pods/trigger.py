"""Waiting for a step's pod in Airflow's triggerer."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    AsyncPodManager,
    PodLaunchTimeoutException,
    parse_log_line,
)

from include.pods.manager import wait_for_start
from include.steps import log_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState
    from kubernetes.client.models import V1Pod

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
        schedule_seconds: float,
        startup_seconds: float,
        grace_seconds: int,
        redeferrals: int,
    ) -> PodStepTrigger:
        """The trigger that waits for this pod. It looks the connection up itself: no secret is kept with it."""
        return cls(
            pod_name=pod.metadata.name,
            pod_namespace=pod.metadata.namespace,
            trigger_start_time=datetime.now(UTC),
            base_container_name="base",
            kubernetes_conn_id=connection,
            in_cluster=True if connection is None else None,
            poll_interval=POLL_SECONDS,
            schedule_timeout=int(schedule_seconds),
            startup_timeout=int(startup_seconds),
            log_events_on_startup=False,
            logging_interval=SECONDS_BETWEEN_LOGS,
            termination_grace_period=grace_seconds,
            trigger_kwargs={"redeferrals": redeferrals},
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """This class, by the path that a triggerer imports it from."""
        return f"{type(self).__module__}.{type(self).__qualname__}", super().serialize()[1]

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """The provider's manager, which logs a step's lines as they are."""
        return _StepAsyncPodManager(async_hook=self.hook)

    async def _wait_for_pod_start(self) -> ContainerState:
        started = await wait_for_start(self._get_pod, self._events, self.schedule_timeout, self.startup_timeout)
        if not started:
            raise PodLaunchTimeoutException("the pod did not start")
        return self.define_pod_container_state(await self._get_pod())

    async def _events(self) -> Sequence[Any]:
        found = await self.hook.get_pod_events(self.pod_name, self.pod_namespace)
        return list(found.items)


class _StepAsyncPodManager(AsyncPodManager):
    def _emit_container_logs(self, logs: list[str], now: datetime, container_name: str) -> None:  # noqa: ARG002
        """Log what was said before the current second, from which the next reading goes on."""
        for line in logs:
            when, message = parse_log_line(line)
            if when and when.replace(microsecond=0) >= now.replace(microsecond=0):
                return
            if message:
                log_line(self.log, message)
