"""What a step's pod looks like: its variables, its volumes, and how little it may do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.backcompat.backwards_compat_converters import convert_affinity
from kubernetes.client import ApiClient, Configuration
from kubernetes.client import models as k8s

from include.environment.connections import is_anothers
from include.environment.settings import step_environment
from trainer.pipeline import amount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from include.environment.kubernetes import Gpu, Kubernetes
    from include.environment.settings import Settings
    from include.operators.pods.placement import Placement
    from trainer.pipeline import Resources, Toleration

SECONDS_TO_END = 20
CODE = "/code"
CHECKOUT = "checkout"
"""The init container that clones the pipeline's own code."""
SHARED_BY_GPUS = "1Gi"
"""Of `/dev/shm`, by which GPUs of one machine exchange gradients (NCCL); a container has 64 MiB otherwise."""
TMP = "/tmp"  # noqa: S108  (the pod's own volume)
MANAGED_BY = {"app.kubernetes.io/managed-by": "training-pipelines"}
"""The label that all our pods bear."""


def variables_of(
    settings: Settings,
    placement: Placement,
    own: dict[str, str],
    withheld: Collection[str],
    connection: str | None = None,
) -> list[k8s.V1EnvVar]:
    """The environment variables of a step's container: what is said openly, and references to what is not.

    Of the connections of sources it gets the one that is named, and no other; and nothing that is `withheld`.
    """
    cluster = settings.kubernetes
    cores = amount(str(placement.resources.cpu))
    threads = str(max(1, math.floor(cores)))
    said = {
        **step_environment(settings),
        **cluster.variables,
        "TRAINER_IMAGE": placement.image,
        "TRAINER_CORES": f"{cores:g}",
        "TRAINER_GPUS": str(placement.resources.gpu or 0),
        "TRAINER_NODES": str(placement.nodes) if placement.nodes > 1 else "",
        "OMP_NUM_THREADS": threads,  # libraries would count the node's cores
        "POLARS_MAX_THREADS": threads,
        "HOME": TMP,
        "PYTHONUNBUFFERED": "1",
        **own,
    }
    referred = {**_from_secrets(cluster, connection), **_from_config_map(cluster)}
    spoken = {name: value for name, value in said.items() if value and name not in referred}
    found = [
        *(k8s.V1EnvVar(name=name, value=literal(value)) for name, value in spoken.items()),
        *(k8s.V1EnvVar(name=name, value_from=source) for name, source in referred.items()),
    ]
    return [variable for variable in found if variable.name not in withheld]


def literal(text: str) -> str:
    """A text as an argument or a variable, in which Kubernetes would replace `$(NAME)`, and `$$` by one `$`."""
    return text.replace("$", "$$")


def _from_secrets(cluster: Kubernetes, connection: str | None) -> dict[str, k8s.V1EnvVarSource]:
    return {
        name: k8s.V1EnvVarSource(secret_key_ref=k8s.V1SecretKeySelector(name=secret.name, key=secret.key))
        for name, secret in cluster.secrets.items()
        if not is_anothers(name, connection)
    }


def _from_config_map(cluster: Kubernetes) -> dict[str, k8s.V1EnvVarSource]:
    rates = cluster.rates
    if rates is None:
        return {}
    keys = {"TRAINER_GPU_HOUR_RATE": rates.gpu_hour, "TRAINER_CPU_CORE_HOUR_RATE": rates.cpu_core_hour}
    return {
        name: k8s.V1EnvVarSource(config_map_key_ref=k8s.V1ConfigMapKeySelector(name=rates.name, key=key))
        for name, key in keys.items()
    }


def requirements_of(resources: Resources, gpu: Gpu | None, memory: str) -> k8s.V1ResourceRequirements:
    """What is asked for is also the limit: a step never lives on what it may lose to a neighbour."""
    asked = {"cpu": str(resources.cpu), "memory": memory}
    if resources.ephemeral_storage:
        asked["ephemeral-storage"] = resources.ephemeral_storage
    if resources.gpu and gpu:
        asked[gpu.resource] = str(resources.gpu)
    return k8s.V1ResourceRequirements(requests=asked, limits=dict(asked))


def volumes_of(resources: Resources, *, with_code: bool) -> tuple[list[k8s.V1Volume], list[k8s.V1VolumeMount]]:
    """What a step may write to, on an otherwise read-only file system."""
    volumes = [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())]
    mounts = [k8s.V1VolumeMount(name="tmp", mount_path=TMP)]
    if shared := resources.shared_memory or (SHARED_BY_GPUS if (resources.gpu or 0) > 1 else ""):
        memory = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=shared)
        volumes.append(k8s.V1Volume(name="shared-memory", empty_dir=memory))
        mounts.append(k8s.V1VolumeMount(name="shared-memory", mount_path="/dev/shm"))  # noqa: S108
    if with_code:
        volumes.append(k8s.V1Volume(name="code", empty_dir=k8s.V1EmptyDirVolumeSource()))
        mounts.append(k8s.V1VolumeMount(name="code", mount_path=CODE))
    return volumes, mounts


def pod_security() -> k8s.V1PodSecurityContext:
    """What the restricted Pod Security Standard asks of a pod."""
    return k8s.V1PodSecurityContext(run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"))


def container_security() -> k8s.V1SecurityContext:
    """What the restricted Pod Security Standard asks of a container, and a root file system that nobody writes to."""
    return k8s.V1SecurityContext(
        run_as_non_root=True,
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.V1Capabilities(drop=["ALL"]),
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )


def tolerations_of(tolerations: list[Toleration] | None) -> list[k8s.V1Toleration]:
    """Tolerations as the client takes them."""
    return [
        k8s.V1Toleration(
            key=one.key, operator=one.operator, value=one.value, effect=one.effect, toleration_seconds=one.seconds
        )
        for one in tolerations or []
    ]


def unread_in_affinity(resources: Resources) -> list[str]:
    """The keys of an affinity that Kubernetes does not know, and would pass over in silence."""
    given = affinity_of(resources)
    if given is None:
        return []
    client = ApiClient(configuration=Configuration())
    understood = client.sanitize_for_serialization(convert_affinity(given))
    return [*_missing(given, understood, "affinity")]


def _missing(given: Any, understood: Any, where: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(understood, dict):
        for key, value in given.items():
            yield from _missing(value, understood[key], f"{where}.{key}") if key in understood else [f"{where}.{key}"]
    elif isinstance(given, list) and isinstance(understood, list):
        for number, (one, other) in enumerate(zip(given, understood, strict=False)):
            yield from _missing(one, other, f"{where}.{number}")
    elif given != understood:
        yield where


def affinity_of(resources: Resources) -> dict[str, Any] | None:
    """The affinity in Kubernetes' own form."""
    return resources.affinity.model_dump(exclude_none=True) if resources.affinity else None


def seconds(minutes: float | None) -> int | None:
    """Whole seconds, at least one."""
    return None if minutes is None else max(1, round(minutes * 60))
