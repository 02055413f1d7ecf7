"""Where in a cluster each step of a pipeline runs, and with what; decided while Airflow reads the DAGs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from include.connections import check_connection
from trainer.errors import ConfigurationError
from trainer.pipeline import REFIT, Resources, did_you_mean
from trainer.run.steps import PER_ALGORITHM, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.kubernetes_settings import Kubernetes
    from include.settings import Settings
    from trainer.pipeline import Pipeline

IN_AIRFLOW = frozenset({"decide"})
"""Steps that run in Airflow's own process."""
AS = {"tune_worker": "tune", "refit_everything": "refit"}
"""Steps that get what another one gets."""
READ_DATA = frozenset({"start", "ingest"})
"""Steps that turn to the source; one that is a Git repository asks them for a login."""


@dataclass(frozen=True)
class Placement:
    """What a step's pod is given."""

    image: str
    """The reference that the cluster pulls."""
    resources: Resources
    reads_repository: bool = False
    """Whether the step itself reads a Git repository, whose login it needs then."""


def placement_of(pipeline: Pipeline, cluster: Kubernetes, step: str, algorithm: str = "") -> Placement:
    """The environment's defaults, and the pipeline's own wishes over them. Raises ConfigurationError."""
    named = AS.get(step, step)
    layers = (
        cluster.resources.get("default"),
        cluster.resources.get("train") if named == REFIT else None,
        cluster.resources.get(named),  # type: ignore[call-overload]
        pipeline.resources_of(named, algorithm),
    )
    whole = reduce(lambda base, over: over.over(base), filter(None, layers), Resources())
    target = str(whole.image)
    if target not in cluster.images:
        where = said_at(pipeline, "image", named, algorithm)
        raise ConfigurationError(f"{where}: there is no image target {target!r}{did_you_mean(target, cluster.images)}")
    if whole.gpu and cluster.gpu is None:
        where = said_at(pipeline, "gpu", named, algorithm)
        raise ConfigurationError(f"{where}: {whole.gpu} GPUs are asked for, and the environment has none; allowed: 0")
    if whole.affinity and (unread := _unread(whole)):
        where = said_at(pipeline, "affinity", named, algorithm)
        raise ConfigurationError(f"{where}: Kubernetes does not know, or cannot read, {', '.join(unread)}")
    if whole.gpu and cluster.gpu:
        whole = whole.over(Resources(node_selector=cluster.gpu.node_selector, tolerations=cluster.gpu.tolerations))
    return Placement(cluster.images[target], whole, step in READ_DATA and pipeline.source.KIND == "dvc")


def _unread(resources: Resources) -> list[str]:
    from include.pods.manifest import unread_in_affinity  # the client takes a second to import

    return unread_in_affinity(resources)


def check_placements(pipeline: Pipeline, settings: Settings, file: str) -> None:
    """Raise ConfigurationError naming everything that the environment's cluster cannot give the pipeline."""
    if settings.runtime != "kubernetes":
        return
    mistakes = dict.fromkeys(_mistakes(pipeline, settings))
    if mistakes:
        lines = [f"{file}: {mistake} (environment {settings.name})" for mistake in mistakes]
        raise ConfigurationError("\n".join(lines))


def _mistakes(pipeline: Pipeline, settings: Settings) -> Iterator[str]:
    try:
        check_connection(pipeline, settings)
    except ConfigurationError as error:
        yield str(error)
    for step in STEPS:
        for algorithm in pipeline.algorithms if step in PER_ALGORITHM else ("",):
            if step not in IN_AIRFLOW:
                try:
                    placement_of(pipeline, settings.kubernetes, step, algorithm)
                except ConfigurationError as error:
                    yield str(error)


def said_at(pipeline: Pipeline, field: str, step: str, algorithm: str) -> str:
    """Where in the pipeline's YAML, or else in the environment's, a resource of a step stands."""
    places = {
        f"algorithms.{algorithm}.resources.{step}": (
            pipeline.algorithms[algorithm].resources.get(step) if algorithm else None  # type: ignore[call-overload]
        ),
        f"resources.{step}": pipeline.resources.get(step),  # type: ignore[call-overload]
        "resources.default": pipeline.resources.get("default"),
    }
    for place, said in places.items():
        if said is not None and getattr(said, field) is not None:
            return f"{place}.{field}"
    return f"kubernetes.resources.{step}.{field}"
