"""A step as a pod of its own."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from kubernetes.client import ApiException
from kubernetes.client import models as k8s
from urllib3.exceptions import HTTPError

from include.pods import manifest
from include.pods.endings import Ending, ending_of, has_succeeded, refused
from include.pods.manager import NOT_FOUND, StepPodManager, reason_of, wait_for_start
from include.pods.sweeping import sweep_failed_pods
from include.pods.trigger import PodStepTrigger
from include.settings import load_settings
from include.steps import INTERRUPTED, AnyResult, StepOperator
from trainer.errors import LESS_MEMORY
from trainer.run.memory import memory_state, note_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from include.pods.placement import Placement
    from trainer.run import RunFolder

REDEFERRALS = 10
"""How often the triggerer may lose sight of a pod that goes on, in a row, before the task is tried again."""


class PodStepOperator(StepOperator, KubernetesPodOperator):
    """Runs a step in a pod: its result is read from the run folder, its end from the cluster.

    :param placement: the image and the resources of the pod
    :param team: who owns the pipeline; with its name, a label of the pod
    """

    python = "python"
    template_fields: Sequence[str] = (*StepOperator.template_fields, "asked")
    ui_color = "#e8e6f7"

    def __init__(self, *, placement: Placement, pipeline_name: str, team: str, **kwargs: Any) -> None:
        cluster = load_settings().kubernetes
        super().__init__(
            kubernetes_conn_id=cluster.connection,
            in_cluster=True if cluster.connection is None else None,
            namespace=cluster.namespace,
            deferrable=cluster.deferrable,
            durable=True,
            on_finish_action="delete_succeeded_pod",
            log_pod_spec_on_failure=False,
            do_xcom_push=False,
            **kwargs,
        )
        self.placement = placement
        self.pipeline_name = pipeline_name
        self.team = team
        self.asked = {"image": placement.image, **placement.resources.model_dump(exclude_none=True, exclude={"image"})}

    def execute(self, context: Context) -> Any:
        """Run the step; returns its result. A failure that no retry can change is final."""
        folder = self.opened()
        try:
            if self.step == "start":
                cluster = load_settings().kubernetes
                sweep_failed_pods(self.client, cluster.namespace, cluster.keep_failed_hours)
            self._start(folder, context)
            return self._defer() if self.deferrable else self._wait(folder)
        except KeyboardInterrupt:
            StepOperator.interrupted = True
            self.on_kill()
            self.raise_exit(INTERRUPTED, folder)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on where the triggerer has seen the pod end, or has lost sight of it."""
        folder = self.run_folder()
        self.pod = self._identity(event["name"], event["namespace"])
        found = self._read()
        lost_sight = event["status"] == "error" and found is not None and found.status.phase in {"Pending", "Running"}
        if lost_sight and event.get("redeferrals", 0) < REDEFERRALS:
            self.log.warning("the triggerer lost sight of pod %s, which goes on: %s", event["name"], event["message"])
            self._defer(event.get("redeferrals", 0) + 1)
        if lost_sight:
            self._lost_sight(folder, str(event["message"]))
        if found is not None:
            self._follow_logs(follow=False, since=event.get("last_log_time"))
        return self._conclude(found, folder)

    @cached_property
    def pod_manager(self) -> StepPodManager:
        """The provider's manager, with a few habits broken."""
        return StepPodManager(kube_client=self.client)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """The pod as it is asked for: with what the environment and the pipeline say, and no rights beyond that."""
        settings, resources = load_settings(), self.placement.resources
        cluster = settings.kubernetes
        self.name = "-".join(filter(None, [self.pipeline_name, self.step, self.algorithm])).replace("_", "-")
        self.image, self.image_pull_policy = self.placement.image, cluster.image_pull_policy
        self.image_pull_secrets = [k8s.V1LocalObjectReference(name=name) for name in cluster.image_pull_secrets]
        self.cmds, self.arguments = self.command[:1], [manifest.literal(text) for text in self.command[1:]]
        self.env_vars = variables = manifest.variables_of(settings, self.placement, self._own_variables(context))
        self.container_resources = manifest.requirements_of(resources, cluster.gpu, self._memory())
        self.volumes, self.volume_mounts = manifest.volumes_of(resources, with_code=self.code_path is not None)
        self.security_context, self.container_security_context = manifest.pod_security(), manifest.container_security()
        self.service_account_name = cluster.service_account
        self.automount_service_account_token = cluster.mount_token
        self.node_selector = resources.node_selector or {}
        self.tolerations = manifest.tolerations_of(resources.tolerations)
        self.affinity = manifest.affinity_of(resources) or {}
        self.priority_class_name = resources.priority_class
        self.active_deadline_seconds = manifest.seconds(resources.deadline_minutes)
        self.termination_grace_period = manifest.SECONDS_TO_END
        self.labels = self._labels()
        self.init_containers = [self._checkout(variables)] if self.code_path is not None else []
        self.full_pod_spec = k8s.V1Pod(
            metadata=k8s.V1ObjectMeta(), spec=k8s.V1PodSpec(containers=[], enable_service_links=False)
        )
        return super().build_pod_request_obj(context, dry_run=dry_run)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """The pod that an earlier try of this task has started and nobody has judged, or a new one.

        The earlier one counts however it stands. The provider would start a second one where the first has ended meanwhile.
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
        try:
            self.pod_request_obj = self.build_pod_request_obj(context)
            self.pod = self.get_or_create_pod(self.pod_request_obj, context)
        except (ApiException, HTTPError) as error:
            self._fail(refused(getattr(error, "status", None), reason_of(error)), folder)
        if self._killed:  # while the request was under way
            self.on_kill()
        context["ti"].xcom_push(key="pod_name", value=self.pod.metadata.name)
        self.log.info("pod %s in namespace %s", self.pod.metadata.name, self.pod.metadata.namespace)

    def _wait(self, folder: RunFolder) -> dict[str, Any]:
        """Follow the pod to its end."""
        try:
            if not asyncio.run(self._starts()):
                return self._conclude(self._read(), folder)
            self._follow_logs()
            ended = self.pod_manager.wait_for_end(self._own_pod)
        except (ApiException, HTTPError) as error:
            if getattr(error, "status", None) == NOT_FOUND:
                return self._conclude(None, folder)
            self._lost_sight(folder, reason_of(error))
        return self._conclude(ended, folder)

    async def _starts(self) -> bool:
        """Whether the pod gets to run, or has already run."""
        manager, pod = self.pod_manager, self._own_pod

        async def read() -> k8s.V1Pod:
            return manager.read_pod(pod)

        async def events() -> Sequence[Any]:
            return manager.events_of(pod)

        return await wait_for_start(read, events, *self._patience)

    def _follow_logs(self, *, follow: bool = True, since: Any = None) -> None:
        """Bring the containers' output into the task's log, as far as it can be had."""
        names = ["checkout"] if self.code_path is not None else []
        for name in [*names, self.base_container_name]:
            try:
                self.pod_manager.fetch_container_logs(self._own_pod, name, follow=follow, since_time=since)
            except (ApiException, HTTPError) as error:
                if getattr(error, "status", None) == NOT_FOUND:
                    return
                self.log.warning("the output of container %s cannot be read: %s", name, reason_of(error))

    def _defer(self, redeferrals: int = 0) -> NoReturn:
        """Leave the waiting to the triggerer."""
        schedule_seconds, startup_seconds = self._patience
        trigger = PodStepTrigger.for_pod(
            self._own_pod,
            connection=self.kubernetes_conn_id,
            schedule_seconds=schedule_seconds,
            startup_seconds=startup_seconds,
            grace_seconds=manifest.SECONDS_TO_END,
            redeferrals=redeferrals,
        )
        self.defer(trigger=trigger, method_name="trigger_reentry", timeout=self.execution_timeout)

    def _conclude(self, pod: k8s.V1Pod | None, folder: RunFolder) -> dict[str, Any]:
        """Return the step's result, or raise what the pod's end means; a pod that still waits or runs goes."""
        if pod is not None and has_succeeded(pod):
            result = folder.result(AnyResult).model_dump(mode="json")
            self._remove(pod)
            return result
        events = self.pod_manager.events_of(pod) if pod is not None else []
        ending = ending_of(pod, events)
        if pod is not None:
            self._set_aside(pod)
        self._fail(ending, folder)

    def _set_aside(self, pod: k8s.V1Pod) -> None:
        """Keep a failed pod for a person to look at; one that waits or runs would go on without anybody."""
        keep = pod.status.phase == "Failed" and load_settings().kubernetes.keep_failed_hours > 0
        self.patch_already_checked(pod, reraise=False)
        if not keep:
            self._remove(pod)

    def _remove(self, pod: k8s.V1Pod) -> None:
        try:
            self.pod_manager.delete_pod(pod)
        except (ApiException, HTTPError) as error:
            self.log.warning("pod %s cannot be deleted: %s", pod.metadata.name, reason_of(error))

    def _fail(self, ending: Ending, folder: RunFolder) -> NoReturn:
        """Keep why the step failed, and raise it."""
        if ending.then == "ask the step":
            self.raise_exit(ending.exit_code, folder)
        if ending.then == "more memory":
            self._fail_for_memory(folder)
        failure = self.own_failure(ending.exit_code, ending.error, ending.message)
        self.raise_failure(self.kept(failure, folder), folder, final=ending.then == "final")

    def _fail_for_memory(self, folder: RunFolder) -> NoReturn:
        had, policy = self._memory(), load_settings().kubernetes.more_memory
        more = note_out_of_memory(folder, had, policy.factor, policy.limit)
        then = f"the next try gets {more.memory}" if more else f"that is the most a step may get ({policy.limit})"
        message = f"memory ran out at {had}; {then}; {LESS_MEMORY} (`resources.{self.step}.memory`)"
        failure = self.own_failure(137, "OutOfMemory", message)
        self.raise_failure(self.kept(failure, folder), folder, final=more is None)

    def _lost_sight(self, folder: RunFolder, why: str) -> NoReturn:
        """The cluster does not answer: the pod may well go on, and the next try finds it again."""
        self._fail(Ending("ClusterUnavailable", f"the cluster's API does not answer: {why}", "retry"), folder)

    def _read(self) -> k8s.V1Pod | None:
        """The pod as it stands; None where it is gone."""
        try:
            return self.pod_manager.read_pod(self._own_pod)
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            return None

    @property
    def _own_pod(self) -> k8s.V1Pod:
        return self.pod

    @staticmethod
    def _identity(name: str, namespace: str) -> k8s.V1Pod:
        return k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=name, namespace=namespace))

    @property
    def _patience(self) -> tuple[float, float]:
        """Seconds to wait for a node, and then for the pod to run."""
        resources = self.placement.resources
        return float(manifest.seconds(resources.schedule_timeout_minutes) or 0), float(
            manifest.seconds(resources.startup_timeout_minutes) or 0
        )

    def _memory(self) -> str:
        """What the step asks for, or more where that was too little."""
        known = memory_state(self.run_folder())
        return known.memory if known else str(self.placement.resources.memory)

    def _own_variables(self, context: Context | None) -> dict[str, str]:
        own = {"TRAINER_PIPELINE": self.pipeline, "TRAINER_AIRFLOW_RUN_ID": str(context["run_id"]) if context else ""}
        if self.code_path is not None:
            own |= {"TRAINER_CODE": manifest.CODE, "PYTHONPATH": f"{manifest.CODE}/{self.code_path}"}
        return own

    def _labels(self) -> dict[str, str]:
        own = {
            "pipeline": self.pipeline_name,
            "step": self.step,
            "run": self.run.rsplit("/", 1)[-1],
            "algorithm": self.algorithm,
            "team": self.team,
        }
        return {**manifest.MANAGED_BY, **{name: make_safe_label_value(value) for name, value in own.items() if value}}

    def _checkout(self, variables: list[k8s.V1EnvVar]) -> k8s.V1Container:
        """The init container that clones the pipeline's own code."""
        return k8s.V1Container(
            name="checkout",
            image=self.image,
            image_pull_policy=self.image_pull_policy,
            command=self.checkout_command[:1],
            args=[manifest.literal(text) for text in self.checkout_command[1:]],
            env=[one for one in variables if one.name != "PYTHONPATH"],
            resources=self.container_resources,
            security_context=self.container_security_context,
            volume_mounts=self.volume_mounts,
        )
