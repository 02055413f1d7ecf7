"""The part of a pipeline that says what each of its steps needs of a cluster."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from trainer.pipeline.spec import Spec

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")
_DECIMAL = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)}
_SCALE = {**_DECIMAL, **_BINARY}
MEBIBYTE = 2**20
LEAST_CPU = 0.001


def amount(quantity: str) -> float:
    """What a Kubernetes quantity stands for: cores, or bytes.

    Raises ValueError. The format is that of
    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ without exponents.

    >>> amount("500m"), amount("2"), amount("8Gi")
    (0.5, 2.0, 8589934592.0)
    """
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no Kubernetes quantity; write it like 2, 500m, 512Mi or 8Gi")
    return float(found[1]) * _SCALE[found[2] or ""]


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _as_label(value: Any) -> Any:
    """YAML reads a plain `true` as a truth value, where a label can only be the word."""
    return str(value).lower() if isinstance(value, bool) else _as_text(value)


def _cores(value: str) -> str:
    if value.endswith(("i", "k", "M", "G", "T", "P", "E")):
        raise ValueError(f"{value!r} is no number of cores; write it like 2, 0.5 or 500m")
    if amount(value) < LEAST_CPU:
        raise ValueError(f"{value!r}: a step needs a part of a core at least, such as 500m")
    return value


def _bytes(value: str) -> str:
    if amount(value) < MEBIBYTE:
        raise ValueError(f"{value!r} means {amount(value):g} bytes; give a unit: 512Mi, 8Gi")
    return value


Cpu = Annotated[str, BeforeValidator(_as_text), AfterValidator(_cores)]
Memory = Annotated[str, BeforeValidator(_as_text), AfterValidator(_bytes)]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
LabelValue = Annotated[
    str, BeforeValidator(_as_label), StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$")
]
LabelKey = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$", max_length=253)
]
Minutes = Annotated[float, Field(gt=0)]


class Toleration(Spec):
    """A taint of nodes that a step puts up with."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a `NoExecute` taint is put up with."""

    @model_validator(mode="after")
    def _consistent(self) -> Toleration:
        if self.operator == "Equal" and self.key is None:
            raise ValueError("a toleration without a key tolerates everything: say so with operator Exists")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value; leave one of them out")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds belong to the effect NoExecute alone")
        return self


class Affinity(Spec):
    """Which nodes and neighbours a step prefers or needs, each in Kubernetes' own form."""

    nodeAffinity: dict[str, Any] | None = None  # noqa: N815  (Kubernetes' name)
    podAffinity: dict[str, Any] | None = None  # noqa: N815
    podAntiAffinity: dict[str, Any] | None = None  # noqa: N815


class Resources(Spec):
    """What a step needs of the cluster; what is left out comes from the pipeline's default, then the environment's.

    Node selectors are merged key by key and tolerations add up; everything else replaces what stood there before.
    """

    image: str | None = None
    """One of the environment's image targets, such as `tabular`."""
    cpu: Cpu | None = None
    """Cores: 2, 0.5, 500m."""
    memory: Memory | None = None
    """512Mi, 8Gi; a step that needs more is ended, and tried again with more."""
    gpu: Annotated[int, Field(ge=0, le=64)] | None = None
    nodes: Annotated[int, Field(ge=1, le=64)] | None = None
    """Pods that train a network together, each with these cores, memory and GPUs; only for `train` and `refit`.

    A run without a cluster trains on its one machine, with the same result.
    """
    ephemeral_storage: Memory | None = None
    """Room on the node's disk, for `/tmp` and logs."""
    shared_memory: Memory | None = None
    """Size of `/dev/shm`, which data loaders with several processes use; it counts as memory."""
    node_selector: dict[LabelKey, LabelValue] | None = None
    tolerations: list[Toleration] | None = None
    affinity: Affinity | None = None
    priority_class: ResourceName | None = None
    schedule_timeout_minutes: Minutes | None = None
    """How long to wait for a node."""
    startup_timeout_minutes: Minutes | None = None
    """How long to wait, once there is a node, until the step runs: pulling an image can take long."""
    deadline_minutes: Minutes | None = None
    """How long the pod may take, from when a node has it, image pulls included; the cluster ends it then."""

    def over(self, base: Resources) -> Resources:
        """These resources laid over others."""
        given = {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}
        if self.node_selector and base.node_selector:
            given["node_selector"] = {**base.node_selector, **self.node_selector}
        if self.tolerations and base.tolerations:
            added = [one for one in self.tolerations if one not in base.tolerations]
            given["tolerations"] = [*base.tolerations, *added]
        return base.model_copy(update=given)

    def and_at_least(self, other: Resources) -> Resources:
        """Enough for either of two steps: the larger amounts, and all else from the one with more GPUs, or memory."""
        base, less = (other, self) if _size(other) > _size(self) else (self, other)
        larger = {name: getattr(less, name) for name in AMOUNTS if _amount_of(less, name) > _amount_of(base, name)}
        return Resources.model_validate({**base.model_dump(exclude_none=True), **larger})


AMOUNTS = (
    "cpu", "memory", "gpu", "nodes", "ephemeral_storage", "shared_memory",
    "schedule_timeout_minutes", "startup_timeout_minutes", "deadline_minutes",
)  # fmt: skip
"""The fields that are amounts."""


def _amount_of(resources: Resources, name: str) -> float:
    """The amount of a field; 0 if it is not set."""
    return amount(str(getattr(resources, name) or 0))


def _size(resources: Resources) -> tuple[float, ...]:
    return tuple(_amount_of(resources, name) for name in ("gpu", "memory", "cpu"))


ResourceStep = Literal[
    "default",
    "start",
    "ingest",
    "validate",
    "detect_drift",
    "engineer_features",
    "tune",
    "train",
    "refit",
    "evaluate",
    "explain",
    "register",
    "accept",
    "promote",
    "publish_features",
    "report",
    "start_scoring",
    "read_rows",
    "check_rows",
    "score",
    "publish_scores",
    "start_monitoring",
    "read_scores",
    "read_labels",
    "monitor",
    "start_deployment",
    "stage",
    "canary",
    "watch",
    "release",
]
StepResources = dict[ResourceStep, Resources]
"""By step; `default` stands for every step."""
AlgorithmResources = dict[Literal["tune", "train"], Resources]
