"""Where in a cluster each step of a pipeline runs, and with what; decided while Airflow reads the DAGs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from include.environment.connections import check_connection
from trainer.errors import ConfigurationError
from trainer.pipeline import Resources, did_you_mean
from trainer.run.flow import REFIT, all_steps_of, placed_as, step_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.environment.kubernetes import Gpu, Kubernetes
    from include.environment.settings import Settings
    from trainer.pipeline import Pipeline
    from trainer.run.flow import Place


@dataclass(frozen=True)
class Placement:
    """What a step's pod is given."""

    image: str
    """The reference that the cluster pulls."""
    wishes: Resources
    """Apart from the nodes on which the cluster's GPUs are."""
    gpu_nodes: Gpu | None = None
    """null: the cluster has no GPUs."""
    reads_repository: bool = False
    """Whether the step itself reads a Git repository, whose login it needs then."""

    @property
    def resources(self) -> Resources:
        """All that it asks for; a GPU brings the environment's node selector and tolerations for it."""
        nodes = self.gpu_nodes
        if not self.wishes.gpu or nodes is None:
            return self.wishes
        return self.wishes.over(Resources(node_selector=nodes.node_selector, tolerations=nodes.tolerations))

    @property
    def nodes(self) -> int:
        """The pods that the step is shared by."""
        return self.wishes.nodes or 1

    def with_gpus(self, number: int) -> Placement:
        """The same with another number of GPUs. Raises ConfigurationError if the cluster has none."""
        if number and self.gpu_nodes is None:
            raise ConfigurationError(f"{number} GPUs are asked for, and the environment has none; allowed: 0")
        return replace(self, wishes=Resources(gpu=number).over(self.wishes))


def placement_of(pipeline: Pipeline, cluster: Kubernetes, step: str, algorithm: str = "") -> Placement:
    """The environment's defaults, and the pipeline's own wishes over them. Raises ConfigurationError."""
    named = placed_as(step)
    whole = _resources_of(pipeline, cluster, named, algorithm)
    target = str(whole.image)
    if target not in cluster.images:
        where = said_at(pipeline, "image", target, named, algorithm)
        raise ConfigurationError(f"{where}: there is no image target {target!r}{did_you_mean(target, cluster.images)}")
    if whole.affinity and (unread := _unread(whole)):
        where = said_at(pipeline, "affinity", whole.affinity, named, algorithm)
        raise ConfigurationError(f"{where}: Kubernetes does not know, or cannot read, {', '.join(unread)}")
    reads_repository = _reads_repository(pipeline, step_named(step).uses)
    placement = Placement(cluster.images[target], whole, cluster.gpu, reads_repository)
    if not whole.gpu:
        return placement
    try:
        return placement.with_gpus(whole.gpu)
    except ConfigurationError as error:
        raise ConfigurationError(f"{said_at(pipeline, 'gpu', whole.gpu, named, algorithm)}: {error}") from error


def _reads_repository(pipeline: Pipeline, uses: Place) -> bool:
    """Return True if a step that uses a place reads it from a Git repository."""
    read = {
        "source": pipeline.source,
        "scoring.source": pipeline.scoring.source if pipeline.scoring else None,
        "monitoring.labels": pipeline.monitoring.labels if pipeline.monitoring else None,
    }
    source = read.get(uses)
    return source is not None and source.KIND == "dvc"


def _resources_of(pipeline: Pipeline, cluster: Kubernetes, step: str, algorithm: str) -> Resources:
    """The resources of a step; those of `refit` suffice for any algorithm, because the winner is not known yet."""
    if step == REFIT:
        of_environment = [
            cluster.resources.get("default"),
            cluster.resources.get("train"),
            cluster.resources.get(REFIT),
        ]
        trainings = [_layered(*of_environment, pipeline.resources_of("train", name)) for name in pipeline.algorithms]
        whole = _layered(reduce(Resources.and_at_least, trainings), pipeline.resources.get(REFIT))
        return whole.model_copy(update={"nodes": None}) if pipeline.refit == "none" else whole  # it trains nothing
    of_step = cluster.resources.get(step)  # type: ignore[call-overload]
    return _layered(cluster.resources.get("default"), of_step, pipeline.resources_of(step, algorithm))


def _layered(*layers: Resources | None) -> Resources:
    return reduce(lambda base, over: over.over(base), filter(None, layers), Resources())


def _unread(resources: Resources) -> list[str]:
    from include.operators.pods.manifest import unread_in_affinity  # the client takes a second to import

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
    for step in all_steps_of(pipeline):
        if step.runs_in == "airflow":
            continue
        for algorithm in pipeline.algorithms if step.once_per != "run" else ("",):
            try:
                placement_of(pipeline, settings.kubernetes, step.name, algorithm)
            except ConfigurationError as error:
                yield str(error)


def said_at(pipeline: Pipeline, field: str, value: object, step: str, algorithm: str) -> str:
    """The place in the pipeline's YAML, or else in the environment's, that gave a resource of a step its value."""
    for place, said in _places(pipeline, step, algorithm).items():
        if said is not None and getattr(said, field) == value:
            return f"{place}.{field}"
    return f"kubernetes.resources.{step}.{field}"


def _places(pipeline: Pipeline, step: str, algorithm: str) -> dict[str, Resources | None]:
    """The places in the pipeline's YAML that may give resources to a step, the more particular first."""
    of_step = {f"resources.{step}": pipeline.resources.get(step)}  # type: ignore[call-overload]
    if step == REFIT:
        return reduce(lambda found, name: found | _places(pipeline, "train", name), pipeline.algorithms, of_step)
    of_algorithm = pipeline.algorithms[algorithm].resources.get(step) if algorithm else None  # type: ignore[call-overload]
    own = {f"algorithms.{algorithm}.resources.{step}": of_algorithm}
    return {**own, **of_step, "resources.default": pipeline.resources.get("default")}
