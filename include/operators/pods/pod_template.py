"""A step's operator as far as it says what the pod looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from kubernetes.client import models as k8s

from include.environment.connections import VARIABLES, withheld_from, withheld_from_checkout
from include.environment.settings import load_settings
from include.operators.base import StepOperator
from include.operators.pods import manifest
from trainer.run.memory import memory_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from include.operators.pods.placement import Placement


class DescribedPodOperator(StepOperator, KubernetesPodOperator):
    """Gives the pod of a step; everything that it says is decided when the task runs, in one place.

    :param placement: the image and the resources of the pod
    :param pipeline_name: the pipeline; with the step, the run, the algorithm and the team, a label of the pod
    :param team: who owns the pipeline
    :param gpus: a template of how many GPUs this run asks for, in place of those of the placement; empty: it cannot
    """

    python = "python"
    pod: Any
    template_fields: Sequence[str] = (*StepOperator.template_fields, "asked")

    def __init__(self, *, placement: Placement, pipeline_name: str, team: str, gpus: str = "", **kwargs: Any) -> None:
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
        self.given_placement = placement
        self.pipeline_name = pipeline_name
        self.team = team
        asked = placement.resources.model_dump(exclude_none=True, exclude={"image"})
        self.asked = {"image": placement.image, **asked, **({"gpu": gpus} if gpus else {})}
        """What a person sees under the task's rendered templates."""

    @property
    def placement(self) -> Placement:
        """The image and the resources of this run. Raises ConfigurationError where the cluster has no GPUs."""
        given = self.given_placement
        asked = int(self.asked.get("gpu") or 0)
        return given if asked == (given.wishes.gpu or 0) else given.with_gpus(asked)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """The pod as it is asked for: with what the environment and the pipeline say, and no rights beyond that."""
        self._describe(context)
        return super().build_pod_request_obj(context, dry_run=dry_run)

    def _describe(self, context: Context | None) -> None:
        """Set all from which the provider makes the pod."""
        cluster, resources = load_settings().kubernetes, self.placement.resources
        self.name = "-".join(filter(None, [self.pipeline_name, self.step, self.algorithm])).replace("_", "-")
        self.labels = self._labels()
        self.service_account_name = cluster.service_account
        self.automount_service_account_token = cluster.mount_token
        self.image_pull_secrets = [k8s.V1LocalObjectReference(name=name) for name in cluster.image_pull_secrets]
        self.node_selector = resources.node_selector or {}
        self.tolerations = manifest.tolerations_of(resources.tolerations)
        self.affinity = manifest.affinity_of(resources) or {}
        self.priority_class_name = resources.priority_class
        self.active_deadline_seconds = manifest.seconds(resources.deadline_minutes)
        self.termination_grace_period = manifest.SECONDS_TO_END
        self.security_context = manifest.pod_security()
        self._describe_container(context)
        no_links = k8s.V1PodSpec(containers=[], enable_service_links=False)
        self.full_pod_spec = k8s.V1Pod(metadata=k8s.V1ObjectMeta(), spec=no_links)

    def _describe_container(self, context: Context | None) -> None:
        """Say what the step's container is; the one that fetches the pipeline's code has only another command."""
        settings, with_code = load_settings(), self.code_path is not None
        cluster, variables = settings.kubernetes, self._own_variables(context)
        self.volumes, self.volume_mounts = manifest.volumes_of(self.placement.resources, with_code=with_code)
        shared = {
            "image": self.placement.image,
            "image_pull_policy": cluster.image_pull_policy,
            "resources": manifest.requirements_of(self.placement.resources, cluster.gpu, self.memory()),
            "security_context": manifest.container_security(),
        }
        self.image, self.image_pull_policy = shared["image"], shared["image_pull_policy"]
        self.container_resources, self.container_security_context = shared["resources"], shared["security_context"]
        self.cmds, self.arguments = self.command[:1], [manifest.literal(text) for text in self.command[1:]]
        path = {"PYTHONPATH": f"{manifest.CODE}/{self.code_path}"} if with_code else {}
        withheld = withheld_from(self.step, settings)
        if not self.placement.reads_repository:  # then only the one that clones needs its login
            withheld |= VARIABLES["repository"]
        self.env_vars = manifest.variables_of(
            settings, self.placement, {**variables, **path}, withheld, self.connection
        )
        self.init_containers = []
        if with_code:
            fetch = k8s.V1Container(
                name=manifest.CHECKOUT,
                command=self.checkout_command[:1],
                args=[manifest.literal(text) for text in self.checkout_command[1:]],
                env=manifest.variables_of(settings, self.placement, variables, withheld_from_checkout(settings)),
                volume_mounts=self.volume_mounts,
                **shared,
            )
            self.init_containers = [fetch]

    def memory(self) -> str:
        """What the step asks for, or more where that was too little."""
        known = memory_state(self.run_folder())
        return known.memory if known else str(self.placement.resources.memory)

    def _own_variables(self, context: Context | None) -> dict[str, str]:
        return {
            "TRAINER_PIPELINE": self.pipeline,
            "TRAINER_AIRFLOW_RUN_ID": str(context["run_id"]) if context else "",
            "TRAINER_CODE": manifest.CODE if self.code_path is not None else "",
        }

    def _labels(self) -> dict[str, str]:
        own = {
            "pipeline": self.pipeline_name,
            "step": self.step,
            "run": self.run.rsplit("/", 1)[-1],
            "algorithm": self.algorithm,
            "team": self.team,
        }
        # Of a value without a Latin letter a digest is left, behind a dash that a label must not begin with.
        labels = {name: make_safe_label_value(value).strip("-_.") for name, value in own.items() if value}
        return {**manifest.MANAGED_BY, **labels}
