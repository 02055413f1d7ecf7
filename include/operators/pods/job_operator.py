"""A step that several pods share: a Job, whose first pod has the step, and a Service by which the others find it."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import generic_api_retry
from airflow.providers.cncf.kubernetes.operators.job import JOB_NAME_PREFIX, KubernetesJobOperator
from kubernetes.client import ApiException

from include.environment.settings import load_settings
from include.operators.pods import job_manifest, manifest
from include.operators.pods.endings import Ending, does_not_end, startup_problem, waits_in_trouble
from include.operators.pods.job_logs import JobLogs
from include.operators.pods.job_state import JobState, condition_of, index_of
from include.operators.pods.manager import TROUBLES, StartWatch, has_started, reason_of, said_in
from include.operators.pods.operator import PodStepOperator
from include.operators.pods.refusals import CONFLICT, NOT_FOUND, refused
from include.operators.pods.sweeping import LEAST_HOURS_OF_ORPHANS
from trainer.run.nodes import node_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context
    from kubernetes.client import models as k8s

    from trainer.run import RunFolder

Propagation = Literal["Foreground", "Background"]
SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_BE_GONE = manifest.SECONDS_TO_END + 10
MARGIN = timedelta(minutes=10)
"""How long after its task's time a Job may last that nobody has ended."""


class JobStepOperator(PodStepOperator, KubernetesJobOperator):
    """Runs a step as an Indexed Job: the provider says what the Job looks like, and a step's pod what each pod does.

    The provider's own `execute` reads output only at the end, and takes each failure for the same; so what a pod's end
    means is read as it is for a step with one pod. The waiting is never left to the triggerer.
    """

    pod: Any = None
    job: Any = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = False
        self.random_name_suffix = False
        self.completion_mode = "Indexed"
        self.completions = self.parallelism = self.given_placement.nodes
        self.backoff_limit = job_manifest.REPLACED

    def build_job_request_obj(self, context: Context | None = None) -> k8s.V1Job:
        """The Job as it is asked for: each of its pods is a step's pod."""
        self._describe(context)
        found = super().build_job_request_obj(context)
        template = found.spec.template
        found.metadata.labels = dict(template.metadata.labels)
        template.spec.active_deadline_seconds = None  # which the Job has
        found.spec.pod_failure_policy = job_manifest.failure_policy()
        found.spec.pod_replacement_policy = "Failed"  # two pods with one index must not train together
        return found

    def _describe(self, context: Context | None) -> None:
        base = "-".join(filter(None, [self.pipeline_name, self.step, self.algorithm])).replace("_", "-")
        self._base = job_manifest.base_of(base)
        super()._describe(context)
        self.name, self.subdomain = self._base, self._job_name
        keep = load_settings().kubernetes.keep_failed_hours
        self.ttl_seconds_after_finished = round(3600 * max(keep, LEAST_HOURS_OF_ORPHANS))
        self.active_deadline_seconds = self._longest_seconds()

    @property
    def _job_name(self) -> str:
        return f"{JOB_NAME_PREFIX}{self._base}"

    def _longest_seconds(self) -> int | None:
        """Return after how long the cluster ends the Job: one whose task was killed must not go on for ever."""
        own = manifest.seconds(self.placement.resources.deadline_minutes)
        of_task = self.execution_timeout and round((self.execution_timeout + MARGIN).total_seconds())
        return min(filter(None, [own, of_task]), default=None)

    def _own_variables(self, context: Context | None) -> dict[str, str]:
        job = self._job_name
        return {**super()._own_variables(context), "TRAINER_JOB": job, "TRAINER_MEETING": job_manifest.meeting_of(job)}

    def on_kill(self) -> None:
        """Delete the Job; its pods are told to end, and its Service goes with it."""
        self._killed = True
        if self.job is not None:
            self._remove_job("Foreground")

    def _start(self, folder: RunFolder, context: Context) -> None:
        """Find the Job that an earlier try of this task has started and nobody has judged, or start one."""
        self.job_request_obj = self.build_job_request_obj(context)
        refusal: Ending | None = None
        try:
            self.job = self._found_job(context) or self._created_job()
            self._ensure_service()
        except TROUBLES as error:
            refusal = refused(getattr(error, "status", None), reason_of(error))
        if refusal is not None:  # raised here, so that no traceback shows the request
            if self.job is not None and refusal.then == "final":
                self._remove_job("Foreground")  # its pods would never meet
            self._fail(refusal, folder)
        if self._killed:  # while the request was under way
            self.on_kill()
        context["ti"].xcom_push(key="job_name", value=self.job.metadata.name)
        self.log.info(
            "job %s in namespace %s: %d pods", self.job.metadata.name, self.job.metadata.namespace, self.completions
        )

    def _found_job(self, context: Context) -> Any | None:
        selector = self._build_find_pod_label_selector(context)
        found = generic_api_retry(self.job_client.list_namespaced_job)(self.namespace, label_selector=selector).items
        alive = [job for job in found if job.metadata.deletion_timestamp is None]
        for job in alive:
            self.log.info("job %s of an earlier try is taken up again", job.metadata.name)
        return alive[0] if alive else None

    def _created_job(self) -> Any:
        """Create the Job. One that is there already is the same: the answer to an earlier request was lost."""
        body = self.job_client.api_client.sanitize_for_serialization(self.job_request_obj)
        made = _create(self.job_client.create_namespaced_job, self.namespace, body)
        name = self.job_request_obj.metadata.name
        return made or generic_api_retry(self.job_client.read_namespaced_job)(name, self.namespace)

    def _ensure_service(self) -> None:
        service = job_manifest.service_of(self.job, self._labels())
        _create(self.client.create_namespaced_service, self.namespace, service)

    def _followed(self, folder: RunFolder) -> JobState | None:  # type: ignore[override]
        """Return the Job when it has ended or cannot start; None where it is gone. The step's output is logged."""
        self._logs = JobLogs(self.client, self.log.warning)
        waits: defaultdict[str, StartWatch] = defaultdict(lambda: StartWatch(*self._patience, self.log.warning))

        def follow() -> JobState:
            while True:
                state = self._state(waits)
                self._logs.follow(state.pods)
                if condition_of(state.job) is not None:
                    self._logs.finish(state.pods)
                    return state
                if state.stuck is not None:
                    return state
                time.sleep(SECONDS_BETWEEN_LOOKS)

        found: Any = self._answered(follow, folder)
        return found

    def _state(self, waits: defaultdict[str, StartWatch]) -> JobState:
        name = self.job.metadata.name
        job = generic_api_retry(self.job_client.read_namespaced_job)(name, self.namespace)
        selector = f"{job_manifest.JOB_NAME}={name}"
        pods = generic_api_retry(self.client.list_namespaced_pod)(self.namespace, label_selector=selector).items
        stuck = next((pod for pod in pods if self._is_stuck(pod, waits)), None)
        return JobState(job, pods, None if condition_of(job) else stuck)

    def _is_stuck(self, pod: Any, waits: defaultdict[str, StartWatch]) -> bool:
        """Return True if the pod will not start, or does not end, because its node was lost."""
        if does_not_end(pod):
            return True
        if has_started(pod) or pod.metadata.deletion_timestamp is not None:
            return False
        if waits[pod.metadata.uid].is_over(pod):
            return True
        return waits_in_trouble(pod) and startup_problem(pod, self.pod_manager.events_of(pod)) is not None

    def _concluded(  # type: ignore[override]
        self, state: JobState | None, folder: RunFolder, context: Context
    ) -> dict[str, Any]:
        """The step's result, or an error that says what the Job's end means."""
        if state is None:
            return self._without_job(folder, context)
        if state.is_complete:
            result = self._result(folder)
            self._remove_job("Background")
            return result.model_dump(mode="json")
        culprit, ending = state.culprit, state.ending(self.pod_manager.events_of)
        if culprit is not None and index_of(culprit) > 0:
            self.log.warning("the output of pod %s, which is node %d:", culprit.metadata.name, index_of(culprit))
            self._logs.tell(culprit)
        self._set_job_aside(state)
        self._logs.wait()
        return self._judged(ending, culprit, folder, context)

    def _without_job(self, folder: RunFolder, context: Context) -> dict[str, Any]:
        ending = Ending("JobLost", "the Job is gone: somebody deleted it, or its time in the cluster was over", "retry")
        return self._judged(ending, None, folder, context)

    def _judged(self, ending: Ending, culprit: Any | None, folder: RunFolder, context: Context) -> dict[str, Any]:
        if ending.then == "retry" and (done := self._done_by_then(folder, context, ending)) is not None:
            self.log.warning("%s: %s; the step had come to its end before", ending.error, ending.message)
            return done.model_dump(mode="json")
        if ending.then == "ask the step" and culprit is not None and index_of(culprit) > 0:
            self._fail_by_node(index_of(culprit), ending, folder)
        return self._fail(ending, folder)

    def _fail_by_node(self, index: int, ending: Ending, folder: RunFolder) -> NoReturn:
        """Raise what a node that only trains has kept of its end."""
        kept = node_failure(folder, self.job.metadata.name, index)
        if kept is None or kept.exit_code != ending.exit_code:
            kept = self.own_failure(ending.exit_code)
        told = kept.model_copy(update={"message": f"node {index}: {kept.message}"})
        self.raise_failure(self.kept(told, folder), folder)

    def _began(self) -> datetime | None:
        began: datetime | None = self.job.metadata.creation_timestamp
        return began

    def _set_job_aside(self, state: JobState) -> None:
        """Keep a failed Job for a person to look at; one that goes on would do so without anybody."""
        name = self.job.metadata.name
        if state.stuck is not None or load_settings().kubernetes.keep_failed_hours == 0:
            self._remove_job("Foreground")
            self._wait_until_ended()
            return
        body = {"metadata": {"labels": {self.POD_CHECKED_KEY: "True"}}}
        try:
            generic_api_retry(self.job_client.patch_namespaced_job)(name, self.namespace, body)
        except TROUBLES as error:
            self.log.warning("job %s cannot be marked as judged: %s", name, reason_of(error))

    def _remove_job(self, propagation: Propagation) -> None:
        name = self.job.metadata.name
        try:
            self.job_client.delete_namespaced_job(name, self.namespace, propagation_policy=propagation)
        except TROUBLES as error:
            if getattr(error, "status", None) != NOT_FOUND:
                self.log.warning("job %s cannot be deleted: %s", name, reason_of(error))

    def _wait_until_ended(self) -> None:
        """Let the pods say what they have to say on their way out, so that what is said of it after that stays."""
        until = time.monotonic() + SECONDS_TO_BE_GONE
        while self.job is not None and time.monotonic() < until:
            try:
                self.job_client.read_namespaced_job(self.job.metadata.name, self.namespace)
            except TROUBLES:  # it is gone
                return
            time.sleep(1)


@generic_api_retry
def _create(create: Callable[..., Any], namespace: str | None, body: Any) -> Any | None:
    """Create an object, or return None if it is there already; any other conflict is one that passes."""
    try:
        return create(namespace, body)
    except ApiException as error:
        if error.status == CONFLICT and said_in(error, "reason") == "AlreadyExists":
            return None
        raise
