"""A step as a pod of its own."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from kubernetes.client import models as k8s

from include.pods import manifest
from include.pods.described import DescribedPodOperator
from include.pods.endings import UNAVAILABLE, Ending, begun_containers, ending_of, has_succeeded, refused
from include.pods.manager import ENDED, NOT_FOUND, TROUBLES, StepPodManager, reason_of, wait_for_start
from include.pods.sweeping import sweep_failed_pods
from include.pods.trigger import PodStepTrigger
from include.settings import load_settings
from include.steps import INTERRUPTED, KILLED, AnyResult, StepOperator
from trainer.errors import LESS_MEMORY
from trainer.run.memory import note_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from trainer.run import RunFolder

REDEFERRALS = 10
"""How often the triggerer may lose sight of a pod that goes on, in a row, before the task is tried again."""


class PodStepOperator(DescribedPodOperator):
    """Runs a step in a pod: its result is read from the run folder, its end from the cluster."""

    ui_color = "#e8e6f7"

    def execute(self, context: Context) -> Any:
        """Run the step; returns its result. A failure that no retry can change is final."""
        folder = self.opened()
        try:
            if self.step == "start":
                cluster = load_settings().kubernetes
                sweep_failed_pods(self.client, cluster.namespace, cluster.keep_failed_hours)
            self._start(folder, context)
            if self.deferrable:
                self._defer()
            ended = self._followed(folder)
        except KeyboardInterrupt:
            StepOperator.interrupted = True
            self.on_kill()
            self.raise_exit(INTERRUPTED, folder)
        return self._concluded(ended, folder, context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on where the triggerer has seen the pod end, or has lost sight of it."""
        folder = self.run_folder()
        self.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=event["name"], namespace=event["namespace"]))
        found = self._answered(self._read, folder)
        if event["status"] == "error" and found is not None and found.status.phase not in ENDED:
            if event.get("redeferrals", 0) >= REDEFERRALS:
                self._lost_sight(folder, str(event["message"]))
            self.log.warning("the triggerer lost sight of pod %s, which goes on: %s", event["name"], event["message"])
            self._defer(event.get("redeferrals", 0) + 1)
        if found is not None:
            self._follow_logs(found, follow=False, since=event.get("last_log_time"))
        return self._concluded(found, folder, context)

    @cached_property
    def pod_manager(self) -> StepPodManager:
        """The provider's manager, with a few habits broken."""
        return StepPodManager(kube_client=self.client)

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
                self._follow_logs(self.pod_manager.read_pod(self.pod))
                return self.pod_manager.wait_for_end(self.pod)
            return self._read()

        return self._answered(follow, folder)

    def _answered(self, question: Callable[[], k8s.V1Pod | None], folder: RunFolder) -> k8s.V1Pod | None:
        """What the cluster answers; None where the pod is gone."""
        try:
            return question()
        except TROUBLES as error:
            if getattr(error, "status", None) == NOT_FOUND:
                return None
            why = reason_of(error)
        return self._lost_sight(folder, why)

    async def _starts(self) -> bool:
        """Whether the pod gets to run, or has already run."""
        manager, pod = self.pod_manager, self.pod

        async def read() -> k8s.V1Pod:
            return manager.read_pod(pod)

        async def events() -> Sequence[Any]:
            return manager.events_of(pod)

        return await wait_for_start(read, events, *self._patience)

    def _follow_logs(self, pod: k8s.V1Pod, *, follow: bool = True, since: Any = None) -> None:
        """Bring the containers' output into the task's log, as far as it can be had."""
        for name in begun_containers(pod):
            try:
                self.pod_manager.fetch_container_logs(pod, name, follow=follow, since_time=since)
            except TROUBLES as error:
                self.log.warning("the output of container %s cannot be read: %s", name, reason_of(error))

    def _defer(self, redeferrals: int = 0) -> NoReturn:
        """Leave the waiting to the triggerer."""
        schedule_seconds, startup_seconds = self._patience
        trigger = PodStepTrigger.for_pod(
            self.pod,
            connection=self.kubernetes_conn_id,
            schedule_seconds=schedule_seconds,
            startup_seconds=startup_seconds,
            grace_seconds=manifest.SECONDS_TO_END,
            redeferrals=redeferrals,
        )
        self.defer(trigger=trigger, method_name="trigger_reentry", timeout=self.execution_timeout)

    def _concluded(self, pod: k8s.V1Pod | None, folder: RunFolder, context: Context) -> dict[str, Any]:
        """The step's result, or an error that says what the pod's end means. A pod that still waits or runs goes."""
        if pod is not None and has_succeeded(pod):
            folder.clear_failure()
            result = folder.result(AnyResult)
            self._remove(pod)
            return result.model_dump(mode="json")
        ending = ending_of(pod, self.pod_manager.events_of(pod) if pod is not None else [])
        if pod is not None:
            self._set_aside(pod)
        if ending.then == "retry" and (done := self._done_by_then(folder, context)) is not None:
            self.log.warning("%s: %s; the step had come to its end before", ending.error, ending.message)
            return done.model_dump(mode="json")
        return self._fail(ending, folder)

    def _done_by_then(self, folder: RunFolder, context: Context) -> AnyResult | None:
        """The result that a pod has left before it was lost: a step is done if its result is there."""
        began = self.pod.metadata.creation_timestamp or context["ti"].start_date
        result = folder.result_or_none(AnyResult)
        if result is None or not result.finished_at or datetime.fromisoformat(result.finished_at) < began:
            return None
        return result

    def _set_aside(self, pod: k8s.V1Pod) -> None:
        """Keep a failed pod for a person to look at; one that waits or runs would go on without anybody."""
        keep = pod.status.phase == "Failed" and load_settings().kubernetes.keep_failed_hours > 0
        self.patch_already_checked(pod, reraise=False)
        if not keep:
            self._remove(pod)

    def _remove(self, pod: k8s.V1Pod) -> None:
        try:
            self.pod_manager.delete_pod(pod)
        except TROUBLES as error:
            self.log.warning("pod %s cannot be deleted: %s", pod.metadata.name, reason_of(error))

    def _fail(self, ending: Ending, folder: RunFolder) -> NoReturn:
        """Keep why the step failed, and raise it."""
        if ending.then == "ask the step":
            self.raise_exit(ending.exit_code, folder)
        if ending.then == "more memory":
            self._fail_for_memory(folder)
        if ending.error == UNAVAILABLE:
            self._lost_sight(folder, ending.message)
        failure = self.own_failure(ending.exit_code, ending.error, ending.message)
        self.raise_failure(self.kept(failure, folder), folder, final=ending.then == "final")

    def _fail_for_memory(self, folder: RunFolder) -> NoReturn:
        had, policy = self.memory(), load_settings().kubernetes.more_memory
        more = note_out_of_memory(folder, had, policy.factor, policy.limit)
        then = f"the next try gets {more.memory}" if more else f"that is the most a step may get ({policy.limit})"
        message = f"memory ran out at {had}; {then}; {LESS_MEMORY} (`resources.{self.step}.memory`)"
        failure = self.own_failure(KILLED, "OutOfMemory", message)
        self.raise_failure(self.kept(failure, folder), folder, final=more is None)

    def _lost_sight(self, folder: RunFolder, why: str) -> NoReturn:
        """The cluster does not answer: the pod may well go on, so its result stays; the next try finds it again."""
        failure = self.own_failure(1, UNAVAILABLE, f"the cluster's API does not answer: {why}")
        self.raise_failure(self.kept(failure, folder, undo=False), folder)

    def _read(self) -> k8s.V1Pod:
        return self.pod_manager.read_pod(self.pod)

    @property
    def _patience(self) -> tuple[float, float]:
        """Seconds to wait for a node, and then for the pod to run."""
        resources = self.placement.resources
        schedule, startup = resources.schedule_timeout_minutes, resources.startup_timeout_minutes
        return float(manifest.seconds(schedule) or 0), float(manifest.seconds(startup) or 0)
