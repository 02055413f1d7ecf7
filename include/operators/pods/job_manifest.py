"""The Job and the Service of a step that several pods share.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import add_unique_suffix
from airflow.providers.cncf.kubernetes.operators.job import JOB_NAME_PREFIX
from kubernetes.client import models as k8s

from include.operators.pods.manifest import seconds
from include.operators.pods.sweeping import LEAST_HOURS_OF_ORPHANS

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 29400
"""The port at which torchrun's processes meet, on the pod with index 0; the NetworkPolicy `jobs` opens it."""
JOB_NAME = "batch.kubernetes.io/job-name"
INDEX = "batch.kubernetes.io/job-completion-index"
"""Labels that Kubernetes gives to a Job's pods."""
LONGEST_NAME = 63 - len("-63")
"""Characters of a Job's name: a pod's host name has its index as well."""
REPLACED = 3
"""Pods ended by SIGTERM that are replaced, apart from those that the cluster has taken away."""
ENDED_BY_SIGTERM = 143
MARGIN = timedelta(minutes=10)
"""Time by which a Job that nobody has ended may outlast its task."""


def base_of(name: str) -> str:
    """Return a name that no other Job has, to which the provider adds its prefix."""
    return str(add_unique_suffix(name=name, max_len=LONGEST_NAME - len(JOB_NAME_PREFIX)))


def seconds_kept(hours: float) -> int:
    """Return how long the cluster keeps a Job that has ended: one whose task was killed has to be found again."""
    return round(3600 * max(hours, LEAST_HOURS_OF_ORPHANS))


def longest_seconds(deadline_minutes: float | None, timeout: timedelta | None) -> int | None:
    """Return after how long the cluster ends the Job: one whose task was killed must not go on for ever."""
    own, of_task = seconds(deadline_minutes), timeout and round((timeout + MARGIN).total_seconds())
    return min((one for one in (own, of_task) if one), default=None)


def meeting_of(job: str) -> str:
    """Return the host and the port at which the pods of a Job meet, as the Service names its first pod."""
    return f"{job}-0.{job}:{PORT}"


def failure_policy() -> k8s.V1PodFailurePolicy:
    """Replace a pod that the cluster has taken away, or that SIGTERM has ended; any other failure ends the Job.

    A retry is the task's, which knows the exit codes: some are final, and after one of them a pod gets more memory.
    """
    disrupted = k8s.V1PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
    failed = k8s.V1PodFailurePolicyOnExitCodesRequirement(operator="NotIn", values=[ENDED_BY_SIGTERM])
    return k8s.V1PodFailurePolicy(
        rules=[
            k8s.V1PodFailurePolicyRule(action="Ignore", on_pod_conditions=[disrupted]),
            k8s.V1PodFailurePolicyRule(action="FailJob", on_exit_codes=failed),
        ]
    )


def service_of(job: k8s.V1Job, labels: Mapping[str, str]) -> k8s.V1Service:
    """Return the headless Service that gives each pod of the Job a name; the cluster deletes it with the Job."""
    owner = k8s.V1OwnerReference(
        api_version="batch/v1", kind="Job", name=job.metadata.name, uid=job.metadata.uid, controller=True
    )
    return k8s.V1Service(
        api_version="v1",
        kind="Service",
        metadata=k8s.V1ObjectMeta(
            name=job.metadata.name,
            namespace=job.metadata.namespace,
            labels=dict(labels),
            owner_references=[owner],
        ),
        spec=k8s.V1ServiceSpec(
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector={JOB_NAME: job.metadata.name},
            ports=[k8s.V1ServicePort(name="rendezvous", port=PORT)],
        ),
    )
