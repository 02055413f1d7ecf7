"""A step's operator as far as it says what the end of the pod means, and what becomes of the pod."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from include.environment.settings import load_settings
from include.operators.base import KILLED, HandedOver
from include.operators.pods.endings import Ending, does_not_end, ending_of, has_succeeded
from include.operators.pods.manager import ENDED, LONGEST_PAUSE, TROUBLES, StepPodManager, reason_of
from include.operators.pods.manifest import SECONDS_TO_END
from include.operators.pods.pod_template import DescribedPodOperator
from include.operators.pods.refusals import NOT_FOUND, UNAVAILABLE
from trainer.errors import LESS_MEMORY
from trainer.run.flow import placed_as
from trainer.run.memory import note_out_of_memory
from trainer.run.outages import outage_explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context
    from kubernetes.client import models as k8s

    from trainer.run import RunFolder


class JudgedPodOperator(DescribedPodOperator):
    """Turns what has become of a step's pod into the step's result or an error, and clears the pod away."""

    @cached_property
    def pod_manager(self) -> StepPodManager:
        """The provider's manager, with a few habits broken."""
        return StepPodManager(kube_client=self.client)

    def _concluded(self, pod: k8s.V1Pod | None, folder: RunFolder, context: Context) -> dict[str, Any]:
        """The step's result, or an error that says what the pod's end means. A pod that still waits or runs goes."""
        if pod is not None and has_succeeded(pod):
            result = self._result(folder)
            self._remove(pod)
            return result.model_dump(mode="json")
        events = self.pod_manager.events_of(pod or self.pod)
        ending = ending_of(pod, events, self.pod_manager.disruption)
        if pod is not None:
            self._set_aside(pod)
        if ending.then == "retry" and (done := self._done_by_then(folder, context, ending)) is not None:
            self.log.warning("%s: %s; the step had come to its end before", ending.error, ending.message)
            return done.model_dump(mode="json")
        return self._fail(ending, folder)

    def _result(self, folder: RunFolder) -> HandedOver:
        """Return the result of a step that has succeeded. Raises OutageError if the run folder cannot be read."""
        try:
            folder.clear_failure()
            return folder.result(HandedOver)
        except Exception as error:
            self.log.warning("the step succeeded, but the run folder %s cannot be used", folder.uri)
            raise outage_explained(error, folder.uri) from error

    def _done_by_then(self, folder: RunFolder, context: Context, ending: Ending) -> HandedOver | None:
        """The result that a pod has left before it was lost: a step is done if its result is there."""
        began = self._began() or context["ti"].start_date
        try:
            result = folder.result_or_none(HandedOver)
        except Exception as error:  # noqa: BLE001  (a store that is away must not hide why the pod ended)
            what = f"{ending.error}: {ending.message}"
            self.log.warning(
                "%s; whether the step was done before cannot be seen: %s", what, outage_explained(error, folder.uri)
            )
            return None
        if result is None or not result.finished_at or datetime.fromisoformat(result.finished_at) < began:
            return None
        return result

    def _began(self) -> datetime | None:
        """Return when the cluster has taken the step on; None if it is not known."""
        began: datetime | None = self.pod.metadata.creation_timestamp
        return began

    def _set_aside(self, pod: k8s.V1Pod) -> None:
        """Keep a failed pod for a person to look at; one that waits or runs would go on without anybody."""
        keep = pod.status.phase == "Failed" and load_settings().kubernetes.keep_failed_hours > 0
        self.patch_already_checked(pod, reraise=False)
        if not keep:
            self._remove(pod)
        if pod.status.phase == "Running" and not does_not_end(pod):
            self._wait_until_ended()

    def _remove(self, pod: k8s.V1Pod) -> None:
        try:
            self.pod_manager.delete_pod(pod)
        except TROUBLES as error:
            self.log.warning("pod %s cannot be deleted: %s", pod.metadata.name, reason_of(error))

    def _wait_until_ended(self) -> None:
        """Let the step say what it has to say on its way out, so that what is said of it after that stays."""
        until = time.monotonic() + SECONDS_TO_END
        with contextlib.suppress(*TROUBLES):  # it is gone
            while self.pod is not None and time.monotonic() < until and self._read().status.phase not in ENDED:
                time.sleep(LONGEST_PAUSE)

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
        key = f"resources.{placed_as(self.step)}.memory"
        message = f"memory ran out at {had}; {then}; {LESS_MEMORY} (`{key}`)"
        failure = self.own_failure(KILLED, "OutOfMemory", message)
        self.raise_failure(self.kept(failure, folder), folder, final=more is None)

    def _lost_sight(self, folder: RunFolder, why: str) -> NoReturn:
        """The cluster does not answer: the pod may well go on, so its result stays; the next try finds it again."""
        failure = self.own_failure(1, UNAVAILABLE, f"the cluster's API does not answer: {why}")
        self.raise_failure(self.kept(failure, folder, undo=False), folder)

    def _read(self) -> k8s.V1Pod:
        return self.pod_manager.read_pod(self.pod)

    def _answered(self, question: Callable[[], k8s.V1Pod | None], folder: RunFolder) -> k8s.V1Pod | None:
        """What the cluster answers; None where the pod is gone."""
        try:
            return question()
        except TROUBLES as error:
            if getattr(error, "status", None) == NOT_FOUND:
                return None
            why = reason_of(error)
        return self._lost_sight(folder, why)
