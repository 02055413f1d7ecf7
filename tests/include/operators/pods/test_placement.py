"""Where in a cluster a step runs, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from include.environment.kubernetes import Kubernetes
from include.environment.settings import Settings, read_settings
from include.operators.pods.placement import check_placements, placement_of
from tests.conftest import changed
from tests.world import LOGISTIC
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, Resources, load_pipeline

GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


@pytest.fixture
def production(tmp_path: Path) -> Settings:
    return read_settings("production", tmp_path)


@pytest.fixture
def mnist(project: Path) -> Pipeline:
    return load_pipeline(project / "include" / "pipelines" / "mnist.yaml")


@pytest.fixture
def cluster(production: Settings) -> Kubernetes:
    return production.kubernetes


def wishing(pipeline: Pipeline, of_algorithm: dict[str, Any] | None = None, **resources: Any) -> Pipeline:
    document = pipeline.model_dump(mode="json")
    document["algorithms"]["logistic"]["resources"] = of_algorithm or {}
    return changed(pipeline, resources=resources, algorithms=document["algorithms"])


def test_the_environments_default_stands_where_the_pipeline_says_nothing(
    small_churn: Pipeline, cluster: Kubernetes
) -> None:
    ingest, train = (
        placement_of(small_churn, cluster, "ingest"),
        placement_of(small_churn, cluster, "train", "logistic"),
    )
    assert ingest.image == "registry.example.com/ml/trainer-tabular:0.1.0"
    assert (ingest.resources.cpu, ingest.resources.memory) == ("1", "2Gi")
    assert (train.resources.cpu, train.resources.memory) == ("2", "4Gi")
    assert (train.resources.node_selector, train.resources.tolerations) == (None, None)


def test_a_gpu_brings_the_environments_selector_and_toleration_for_that_step_alone(
    small_churn: Pipeline, cluster: Kubernetes
) -> None:
    pipeline = wishing(
        small_churn, {"train": {"gpu": 1, "node_selector": {"pool": "fast"}}}, default={"image": "vision"}
    )
    train = placement_of(pipeline, cluster, "train", "logistic")
    assert train.image == "registry.example.com/ml/trainer-vision:0.1.0"
    assert train.resources.node_selector == {"nvidia.com/gpu.present": "true", "pool": "fast"}
    assert [one.model_dump(exclude_none=True) for one in train.resources.tolerations or []] == [GPU]
    assert placement_of(pipeline, cluster, "tune", "logistic").resources.node_selector is None


def test_a_run_may_ask_for_other_gpus(small_churn: Pipeline, cluster: Kubernetes) -> None:
    train = placement_of(wishing(small_churn, train={"gpu": 1, "node_selector": {"pool": "fast"}}), cluster, "train")
    assert train.with_gpus(4).resources == train.resources.model_copy(update={"gpu": 4})
    without = train.with_gpus(0).resources
    assert (without.gpu, without.node_selector, without.tolerations) == (0, {"pool": "fast"}, None)
    nowhere = placement_of(small_churn, cluster.model_copy(update={"gpu": None}), "train")
    with pytest.raises(ConfigurationError, match="2 GPUs are asked for, and the environment has none; allowed: 0"):
        nowhere.with_gpus(2)


def test_workers_are_placed_as_tuning_is(small_churn: Pipeline, cluster: Kubernetes) -> None:
    pipeline = wishing(small_churn, tune={"cpu": 7})
    assert placement_of(pipeline, cluster, "tune_worker", "logistic") == placement_of(
        pipeline, cluster, "tune", "logistic"
    )
    assert placement_of(pipeline, cluster, "tune_worker", "logistic").resources.cpu == "7"


def fitting(pipeline: Pipeline, **resources: dict[str, Any]) -> Pipeline:
    """A pipeline whose two algorithms ask for these resources when they are trained; `refit` names those of the step."""
    own = {"refit": resources.pop("refit")} if "refit" in resources else {}
    algorithms = {name: {**LOGISTIC, "resources": {"train": resources.get(name, {})}} for name in ("small", "large")}
    return changed(pipeline, algorithms=algorithms, resources=own)


def refit_of(pipeline: Pipeline, cluster: Kubernetes) -> Resources:
    """What `refit` gets, and `refit_everything` as well."""
    placement = placement_of(pipeline, cluster, "refit")
    assert placement_of(pipeline, cluster, "refit_everything") == placement
    return placement.resources


def test_refit_gets_the_most_that_the_training_of_any_algorithm_gets(
    small_churn: Pipeline, cluster: Kubernetes
) -> None:
    pipeline = fitting(
        small_churn,
        small={"cpu": 8, "memory": "3Gi"},
        large={"gpu": 1, "memory": "2Gi", "node_selector": {"pool": "fast"}},
    )
    refit = refit_of(pipeline, cluster)
    assert (refit.cpu, refit.memory, refit.gpu) == ("8", "3Gi", 1)
    assert refit.node_selector == {"nvidia.com/gpu.present": "true", "pool": "fast"}
    assert [one.model_dump(exclude_none=True) for one in refit.tolerations or []] == [GPU]


def test_an_algorithm_that_asks_for_nothing_is_refitted_with_what_the_environment_trains_it_with(
    small_churn: Pipeline, cluster: Kubernetes
) -> None:
    less = {"cpu": "500m", "memory": "1Gi"}
    assert placement_of(fitting(small_churn, small=less), cluster, "train", "small").resources.memory == "1Gi"
    for pipeline in (small_churn, fitting(small_churn, small=less)):
        refit = refit_of(pipeline, cluster)
        assert (refit.cpu, refit.memory) == ("2", "4Gi")


def test_resources_of_refit_itself_win(small_churn: Pipeline, cluster: Kubernetes) -> None:
    wishes: dict[str, Any] = {"small": {"memory": "6Gi"}, "large": {"cpu": 8, "memory": "32Gi"}}
    of_environment = {**cluster.resources, "refit": Resources(cpu="3", memory="5Gi")}
    own = cluster.model_copy(update={"resources": of_environment})
    assert refit_of(small_churn, own).memory == "5Gi"
    assert refit_of(fitting(small_churn, **wishes), own).memory == "32Gi"
    refit = refit_of(fitting(small_churn, **wishes, refit={"memory": "7Gi"}), own)
    assert (refit.cpu, refit.memory) == ("8", "7Gi")


def test_nodes_are_those_of_the_training_and_of_the_refit_that_fits(mnist: Pipeline, cluster: Kubernetes) -> None:
    shared = changed(mnist, resources={"train": {"nodes": 3}})
    nodes = {step: placement_of(shared, cluster, step, "cnn").nodes for step in ("tune", "train", "refit", "evaluate")}
    assert nodes == {"tune": 1, "train": 3, "refit": 3, "evaluate": 1}
    assert placement_of(changed(shared, refit="none"), cluster, "refit").nodes == 1, "it only chooses"


def test_an_environment_does_not_say_on_how_many_nodes_pipelines_train(cluster: Kubernetes) -> None:
    resources = {**cluster.resources, "train": Resources(nodes=2)}
    with pytest.raises(ValidationError, match=r"resources.train.nodes: each pipeline says on how many nodes it trains"):
        Kubernetes.model_validate({**cluster.model_dump(), "resources": resources})


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("staging", {"train": {"gpu": 2}}, "resources.train.gpu: 2 GPUs are asked for, and the environment has none; allowed: 0"),
    ("staging", {"of_algorithm": {"tune": {"gpu": 1}}}, "algorithms.logistic.resources.tune.gpu: 1 GPUs are asked for"),
    ("staging", {"refit": {"gpu": 3}}, "resources.refit.gpu: 3 GPUs are asked for, and the environment has none"),
    ("production", {"default": {"image": "tabula"}},
     "resources.default.image: there is no image target 'tabula'; did you mean 'tabular'? allowed: language, tabular, vision"),
    ("production", {"train": {"affinity": {"nodeAffinity": {"required": []}}}},
     "resources.train.affinity: Kubernetes does not know, or cannot read, affinity.nodeAffinity.required"),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "wishes", "message"), MISTAKES, ids=[message[:40] for *_, message in MISTAKES])
def test_what_the_cluster_cannot_give_is_refused_by_place(
    environment: str, wishes: dict[str, Any], message: str, small_churn: Pipeline, tmp_path: Path
) -> None:
    settings = read_settings(environment, tmp_path)
    with pytest.raises(ConfigurationError) as error:
        check_placements(wishing(small_churn, **wishes), settings, "pipelines/churn.yaml")
    (said,) = str(error.value).splitlines()
    assert said.startswith(f"pipelines/churn.yaml: {message}")
    assert said.endswith(f"(environment {environment})")


def test_what_refit_cannot_get_is_said_of_the_training_that_asks_for_it(small_churn: Pipeline, tmp_path: Path) -> None:
    pipeline = fitting(small_churn, small={"gpu": 1}, large={"gpu": 2})
    with pytest.raises(ConfigurationError) as error:
        check_placements(pipeline, read_settings("staging", tmp_path), "churn.yaml")
    assert [line.split(" GPUs")[0] for line in str(error.value).splitlines()] == [
        "churn.yaml: algorithms.small.resources.train.gpu: 1",
        "churn.yaml: algorithms.large.resources.train.gpu: 2",
    ]


def test_an_affinity_that_kubernetes_knows_is_taken(small_churn: Pipeline, production: Settings) -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    check_placements(wishing(small_churn, train={"affinity": affinity}), production, "churn.yaml")


def test_a_local_run_asks_nothing_of_a_cluster(small_churn: Pipeline, tmp_path: Path) -> None:
    settings = read_settings("development", tmp_path)
    check_placements(wishing(small_churn, train={"gpu": 8, "image": "nothing"}), settings, "churn.yaml")
