"""A step that several pods share: a Job, whose first pod has the step, and a Service by which the others find it."""

from __future__ import annotations

import time
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.job import JOB_NAME_PREFIX, KubernetesJobOperator

from include.environment.settings import load_settings
from include.operators.pods import job_manifest, manifest
from include.operators.pods.endings import Ending, does_not_end, startup_problem, waits_in_trouble
from include.operators.pods.job_logs import JobLogs
from include.operators.pods.job_manager import JobManager
from include.operators.pods.job_state import JobState, condition_of, index_of
from include.operators.pods.manager import TROUBLES, StartWatch, has_started, reason_of
from include.operators.pods.operator import PodStepOperator
from include.operators.pods.refusals import refused
from trainer.run.nodes import node_failure

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context
    from kubernetes.client import models as k8s

    from trainer.run import RunFolder
    from trainer.run.records import Failure

SECONDS_BETWEEN_LOOKS = 2.0
GONE = Ending("JobLost", "the Job is gone: somebody deleted it, or its time in the cluster was over", "retry")


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

    @cached_property
    def manager(self) -> JobManager:
        """The requests to the cluster."""
        return JobManager(self.client, self.job_client, str(self.namespace), self.log.warning)

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
        self.ttl_seconds_after_finished = job_manifest.seconds_kept(load_settings().kubernetes.keep_failed_hours)
        deadline = self.placement.resources.deadline_minutes
        self.active_deadline_seconds = job_manifest.longest_seconds(deadline, self.execution_timeout)

    @property
    def _job_name(self) -> str:
        return f"{JOB_NAME_PREFIX}{self._base}"

    def _own_variables(self, context: Context | None) -> dict[str, str]:
        job = self._job_name
        return {**super()._own_variables(context), "TRAINER_JOB": job, "TRAINER_MEETING": job_manifest.meeting_of(job)}

    def on_kill(self) -> None:
        """Delete the Job; its pods get SIGTERM, and its Service goes with it."""
        self._killed = True
        if self.job is not None:
            self.manager.delete(self.job.metadata.name, "Foreground")

    def _start(self, folder: RunFolder, context: Context) -> None:
        """Find the Job that an earlier try of this task has started and nobody has judged, or start one."""
        self.job_request_obj = request = self.build_job_request_obj(context)
        refusal: Ending | None = None
        try:
            self.job = self.manager.find(self._build_find_pod_label_selector(context)) or self.manager.create(request)
            self.manager.create_service(job_manifest.service_of(self.job, self._labels()))
        except TROUBLES as error:
            refusal = refused(getattr(error, "status", None), reason_of(error))
        if refusal is not None:  # raised here, so that no traceback shows the request
            if self.job is not None and refusal.then == "final":
                self.manager.delete(self.job.metadata.name, "Foreground")  # its pods would never meet
            self._fail(refusal, folder)
        if self._killed:  # while the request was under way
            self.on_kill()
        name = self.job.metadata.name
        context["ti"].xcom_push(key="job_name", value=name)
        earlier = "" if name == request.metadata.name else ", which an earlier try has started"
        self.log.info("job %s of %d pods in namespace %s%s", name, self.completions, self.namespace, earlier)

    def _followed(self, folder: RunFolder) -> Any:
        """Return the Job's state when it has ended or cannot start; None if it is gone. The step's output is logged."""
        self._logs = JobLogs(self.client, self.log.warning)
        waits: defaultdict[str, StartWatch] = defaultdict(lambda: StartWatch(*self._patience, self.log.warning))

        def follow() -> Any:
            while True:
                state = self._state(waits)
                self._logs.follow(state.pods)
                if condition_of(state.job) is not None:
                    self._logs.finish(state.pods)
                    return state
                if state.stuck is not None:
                    return state
                time.sleep(SECONDS_BETWEEN_LOOKS)

        return self._answered(follow, folder)

    def _state(self, waits: defaultdict[str, StartWatch]) -> JobState:
        name = self.job.metadata.name
        job, pods = self.manager.read(name), self.manager.pods_of(name)
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

    def _concluded(self, state: Any, folder: RunFolder, context: Context) -> dict[str, Any]:
        """The step's result, or an error that says what the Job's end means."""
        if state is None:
            return self._judged(GONE, None, folder, context)
        if state.is_complete:
            result = self._result(folder)
            self.manager.delete(self.job.metadata.name, "Background")
            return result.model_dump(mode="json")
        deadline = manifest.seconds(self.placement.resources.deadline_minutes)
        culprit, ending = state.culprit, state.ending(self.pod_manager.events_of, deadline)
        if culprit is not None and index_of(culprit) > 0:
            self.log.warning("the output of pod %s, which is node %d:", culprit.metadata.name, index_of(culprit))
            self._logs.log_rest(culprit)
        self._set_job_aside(state)
        self._logs.wait()
        return self._judged(ending, culprit, folder, context)

    def _judged(self, ending: Ending, culprit: Any | None, folder: RunFolder, context: Context) -> dict[str, Any]:
        if ending.then == "retry" and (done := self._done_by_then(folder, context, ending)) is not None:
            self.log.warning("%s: %s; the step had come to its end before", ending.error, ending.message)
            return done.model_dump(mode="json")
        if ending.then == "ask the step" and culprit is not None and index_of(culprit) > 0:
            self._fail_by_node(index_of(culprit), ending, folder)
        return self._fail(ending, folder)

    def _fail_by_node(self, index: int, ending: Ending, folder: RunFolder) -> NoReturn:
        """Raise what a node that only trains has kept of its end."""
        kept = self._kept_by_node(index, folder)
        if kept is None or kept.exit_code != ending.exit_code:
            kept = self.own_failure(ending.exit_code)
        failure = kept.model_copy(update={"message": f"node {index}: {kept.message}"})
        self.raise_failure(self.kept(failure, folder), folder)

    def _kept_by_node(self, index: int, folder: RunFolder) -> Failure | None:
        try:
            return node_failure(folder, self.job.metadata.name, index)
        except Exception as error:  # noqa: BLE001  (a store that is away must not hide what happened)
            self.log.warning("the run folder %s cannot be used: %s: %s", folder.uri, type(error).__name__, error)
            return None

    def _began(self) -> datetime | None:
        began: datetime | None = self.job.metadata.creation_timestamp
        return began

    def _set_job_aside(self, state: JobState) -> None:
        """Keep a failed Job for a person to look at; one that goes on would do so without anybody."""
        name = self.job.metadata.name
        self.manager.label(name, {self.POD_CHECKED_KEY: "True"})
        if state.stuck is not None or load_settings().kubernetes.keep_failed_hours == 0:
            self.manager.delete(name, "Foreground")
            self.manager.wait_until_gone(name)

    def _wait_until_ended(self) -> None:
        """Let the pods say what they have to say on their way out, so that what is said of it after that stays."""
        if self.job is not None:
            self.manager.wait_until_gone(self.job.metadata.name)
