"""What an environment says of its cluster."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from trainer.connections import is_connection
from trainer.environment import is_secret_name
from trainer.pipeline import Memory, ResourceName, Resources, Spec, StepResources, Toleration, did_you_mean

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
KeyInSecret = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
NEEDED = ("image", "cpu", "memory", "schedule_timeout_minutes", "startup_timeout_minutes")


class SecretKey(Spec):
    """One key of a Kubernetes Secret."""

    name: ResourceName
    key: KeyInSecret


class Gpu(Spec):
    """Where the cluster's GPUs are, and what they are called."""

    resource: str = "nvidia.com/gpu"
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []

    @field_validator("node_selector", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        return Resources.model_validate({"node_selector": value}).node_selector or {}


class MoreMemory(Spec):
    """What a step gets after its memory ran out."""

    factor: Annotated[float, Field(gt=1)] = 2.0
    limit: Memory
    """No step gets more than this, or than it asks for itself."""


class CostRates(Spec):
    """The ConfigMap with the cost rates, and the keys in it; it wins over the environment's `rates`."""

    name: ResourceName
    gpu_hour: KeyInSecret = "gpu_hour"
    cpu_core_hour: KeyInSecret = "cpu_core_hour"


class Kubernetes(Spec):
    """How steps run as pods."""

    namespace: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    connection: str | None = None
    """The Airflow connection to the cluster; null: the cluster that Airflow itself runs in."""
    service_account: ResourceName | None = None
    """With workload identity it stands for the step's rights at the cloud."""
    mount_token: bool = False
    """Whether a step may talk to Kubernetes itself; training never needs it."""
    images: Annotated[dict[str, str], Field(min_length=1)]
    """By target, the image that is pulled."""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: list[ResourceName] = []
    variables: dict[VariableName, str] = {}
    """Further environment variables of each pod, such as `AWS_ENDPOINT_URL`; no secrets."""
    secrets: dict[VariableName, SecretKey] = {}
    """Environment variables that come from Secrets."""
    rates: CostRates | None = None
    gpu: Gpu | None = None
    """null: the cluster has none."""
    resources: StepResources
    """What steps get where their pipeline says nothing."""
    more_memory: MoreMemory
    keep_failed_hours: Annotated[float, Field(ge=0)] = 24
    """How long a failed pod is kept for a person to look at."""
    deferrable: bool = False
    """Whether waiting for a pod is left to Airflow's triggerer, which frees the worker."""

    @field_validator("image_pull_policy")
    @classmethod
    def _known_policy(cls, value: str) -> str:
        known = ("Always", "IfNotPresent", "Never")
        if value not in known:
            raise ValueError(f"{value!r} is not allowed{did_you_mean(value, known)}")
        return value

    @field_validator("variables")
    @classmethod
    def _without_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        if named := [name for name in value if is_secret_name(name) or is_connection(name)]:
            raise ValueError(f"{', '.join(named)}: a secret belongs under `secrets`, by the name and key of a Secret")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        default = self.resources.get("default", Resources())
        missing = [name for name in NEEDED if getattr(default, name) is None]
        if missing:
            raise ValueError(f"resources.default: {', '.join(missing)}: every step needs a value to start from")
        if several := [step for step, one in self.resources.items() if (one.nodes or 1) > 1]:
            raise ValueError(
                f"resources.{several[0]}.nodes: each pipeline says on how many nodes it trains; leave it out"
            )
        if twice := sorted({*self.variables} & {*self.secrets}):
            raise ValueError(f"{', '.join(twice)} stands under variables and under secrets")
        return self
