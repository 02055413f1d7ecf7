"""A step as a pod of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowTaskTimeout
from kubernetes.client import models as k8s

from include.environment.settings import load_settings
from include.operators.base import INTERRUPTED, StepOperator
from include.operators.pods import manifest
from include.operators.pods.endings import STEP, Ending, begun_containers, does_not_end
from include.operators.pods.manager import ENDED, TROUBLES, reason_of, wait_for_start
from include.operators.pods.outcome import JudgedPodOperator
from include.operators.pods.refusals import refused
from include.operators.pods.sweeping import sweep_ended_pods
from include.operators.pods.trigger import PodStepTrigger
from include.operators.pods.watching import watched
from trainer.errors import ConfigurationError
from trainer.run.flow import step_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.sdk import Context

    from trainer.run import RunFolder

REDEFERRALS = 10
"""How often the triggerer may lose sight of a pod that goes on, in a row, before the task is tried again."""

TIME_TO_COME_BACK = timedelta(minutes=5)
"""How long after the deadline the triggerer may still tell of it."""


class PodStepOperator(JudgedPodOperator):
    """Runs a step in a pod: its result is read from the run folder, its end from the cluster."""

    ui_color = "#e8e6f7"

    def execute(self, context: Context) -> Any:
        """Run the step; returns its result. A failure that no retry can change is final."""
        folder = self.opened(str(context["run_id"]))
        try:
            if step_named(self.step).begins:
                cluster = load_settings().kubernetes
                sweep_ended_pods(self.client, cluster.namespace, cluster.keep_failed_hours)
            self._start(folder, context)
            if self.deferrable:
                self._defer(context)
            ended = self._followed(folder)
        except ConfigurationError as error:
            failure = self.own_failure(error.exit_code, type(error).__name__, str(error))
            self.raise_failure(self.kept(failure, folder), folder)
        except KeyboardInterrupt:
            StepOperator.interrupted = True
            self.on_kill()
            self.raise_exit(INTERRUPTED, folder)
        except AirflowTaskTimeout:
            self.on_kill()
            self._wait_until_ended()
            self.keep_timeout(folder)
            raise
        return self._concluded(ended, folder, context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on where the triggerer has seen the pod end, or has lost sight of it."""
        folder = self.run_folder()
        self.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=event["name"], namespace=event["namespace"]))
        self.pod_manager.read_lines[STEP].position = tuple(event["read_until"])
        if "disruption" in event:
            self.pod_manager.disruption = Ending(**event["disruption"])
        has_ended = event["status"] in {"success", "failed"}
        found = self._answered(lambda: self.pod_manager.wait_for_end(self.pod) if has_ended else self._read(), folder)
        if event["status"] == "error" and found is not None and found.status.phase not in ENDED:
            if event.get("redeferrals", 0) >= REDEFERRALS:
                self._lost_sight(folder, str(event["message"]))
            self.log.warning("the triggerer lost sight of pod %s, which goes on: %s", event["name"], event["message"])
            self._defer(context, event.get("redeferrals", 0) + 1)
        if found is not None:
            self._tell_rest(found)
        return self._concluded(found, folder, context)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """The pod that an earlier try of this task has started and nobody has judged, or a new one.

        The earlier one counts however it stands. The provider would start a second one where the first has ended.
        """
        namespace = str(pod_request_obj.metadata.namespace)
        found = self._get_pod_from_task_state_store(context) or self.find_pod(namespace, context=context)
        if found is not None and found.metadata.deletion_timestamp is not None:
            self.log.info("pod %s of an earlier try is on its way out; a new one is started", found.metadata.name)
            self.patch_already_checked(found, reraise=False)
            found = None
        pod = found or self.pod_manager.create_pod(pod=pod_request_obj)
        self._persist_pod_identity_to_task_state_store(context, pod)
        return pod

    def _start(self, folder: RunFolder, context: Context) -> None:
        """Find the pod, or start it."""
        self.pod_request_obj = self.build_pod_request_obj(context)
        refusal: Ending | None = None
        try:
            self.pod = self.get_or_create_pod(self.pod_request_obj, context)
        except TROUBLES as error:
            refusal = refused(getattr(error, "status", None), reason_of(error))
        if refusal is not None:  # raised here, so that no traceback shows the request
            self._fail(refusal, folder)
        if self._killed:  # while the request was under way
            self.on_kill()
        context["ti"].xcom_push(key="pod_name", value=self.pod.metadata.name)
        self.log.info("pod %s in namespace %s", self.pod.metadata.name, self.pod.metadata.namespace)

    def _followed(self, folder: RunFolder) -> k8s.V1Pod | None:
        """The pod when it has ended or cannot start; None where it is gone. Its output is in the task's log."""

        def follow() -> k8s.V1Pod | None:
            if asyncio.run(self._starts()):
                with watched(self.client, self.pod, self.pod_manager.note):
                    self._follow_logs(self._read())
                    ended = self.pod_manager.wait_for_end(self.pod)
                if not does_not_end(ended):  # a stream can break off at the end, or begin too late
                    self._tell_rest(ended)
                return ended
            return self._read()

        return self._answered(follow, folder)

    async def _starts(self) -> bool:
        """Whether the pod gets to run, or has already run."""
        manager, pod = self.pod_manager, self.pod

        async def read() -> k8s.V1Pod:
            return manager.read_pod(pod)

        async def events() -> Sequence[Any]:
            return manager.events_of(pod)

        return await wait_for_start(read, events, *self._patience, self.log.warning)

    def _follow_logs(self, pod: k8s.V1Pod) -> None:
        """Bring the containers' output into the task's log as it comes, as far as it can be had."""
        for name in begun_containers(pod):
            with self._warned_of(name):
                self.pod_manager.fetch_container_logs(pod, name, follow=True)

    def _tell_rest(self, pod: k8s.V1Pod) -> None:
        for name in begun_containers(pod):
            with self._warned_of(name):
                self.pod_manager.tell_rest(pod, name)

    @contextlib.contextmanager
    def _warned_of(self, container: str) -> Iterator[None]:
        try:
            yield
        except TROUBLES as error:
            self.log.warning("the output of container %s cannot be read: %s", container, reason_of(error))

    def _defer(self, context: Context, redeferrals: int = 0) -> NoReturn:
        """Leave the waiting to the triggerer.

        It also looks at the clock: where Airflow itself ends a deferral, nobody takes the pod away.
        """
        deadline = self._deadline(context)
        trigger = PodStepTrigger.for_pod(
            self.pod,
            connection=self.kubernetes_conn_id,
            patience=self._patience,
            deadline=deadline,
            redeferrals=redeferrals,
            read_until=self.pod_manager.read_lines[STEP].position,
        )
        longest = timedelta(seconds=max(0, deadline - time.time())) + TIME_TO_COME_BACK if deadline else None
        self.defer(trigger=trigger, method_name="trigger_reentry", timeout=longest)

    def _deadline(self, context: Context) -> float | None:
        """When the task's time is over, in seconds since 1970; a deferral does not begin it anew."""
        if self.execution_timeout is None:
            return None
        began: datetime = context["ti"].start_date
        return (began + self.execution_timeout).timestamp()

    @property
    def _patience(self) -> tuple[float, float]:
        """Seconds to wait for a node, and then for the pod to run."""
        resources = self.placement.resources
        schedule, startup = resources.schedule_timeout_minutes, resources.startup_timeout_minutes
        return float(manifest.seconds(schedule) or 0), float(manifest.seconds(startup) or 0)
