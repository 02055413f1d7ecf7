"""What a step may ask of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import changed
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, Resources, amount, parse_pipeline, pipeline_of


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("2", 2), ("0.5", 0.5), ("500m", 0.5), ("512Mi", 512 * 2**20), ("8Gi", 2**33), ("8G", 8e9), ("1k", 1000), ("1Ti", 2**40)],
)  # fmt: skip
def test_quantities(quantity: str, expected: float) -> None:
    assert amount(quantity) == expected


@pytest.mark.parametrize("quantity", ["", "8GB", "8 Gi", "-1", "1e3", "Gi", "0x8", "8gi"])
def test_what_is_no_quantity(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no Kubernetes quantity; write it like 2, 500m, 512Mi or 8Gi"):
        amount(quantity)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"train": {"memory": "8GB"}}, "resources.train.memory: '8GB' is no Kubernetes quantity"),
    ({"train": {"memory": 8}}, "resources.train.memory: '8' means 8 bytes; give a unit: 512Mi, 8Gi"),
    ({"train": {"cpu": "2Gi"}}, "resources.train.cpu: '2Gi' is no number of cores; write it like 2, 0.5 or 500m"),
    ({"train": {"cpu": 0}}, "resources.train.cpu: '0': a step needs a part of a core at least"),
    ({"train": {"gpu": -1}}, "resources.train.gpu: input should be greater than or equal to 0, not -1"),
    ({"train": {"gpus": 1}}, "resources.train.gpus: unknown key; did you mean 'gpu'?"),
    ({"train": {"nodes": 0}}, "resources.train.nodes: input should be greater than or equal to 1, not 0"),
    ({"train": {"nodes": 2}}, "resources.train.nodes: 2: only a network is trained by several nodes; leave it out"),
    ({"trian": {"gpu": 1}}, "resources.trian: unknown key; did you mean 'train'?"),
    ({"decide": {"cpu": 1}}, "resources.decide: unknown key"),
    ({"train": {"image": "x", "startup_timeout_minutes": 0}}, "resources.train.startup_timeout_minutes: input should be"),
    ({"train": {"tolerations": [{"value": "x"}]}}, "a toleration without a key tolerates everything"),
    ({"train": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}, "operator Exists takes no value"),
    ({"train": {"tolerations": [{"key": "a", "effect": "NoSchedule", "seconds": 3}]}}, "seconds belong to the effect"),
    ({"train": {"tolerations": [{"key": "a", "effect": "Never"}]}}, "effect: 'Never' is not allowed"),
    ({"train": {"affinity": {"node": {}}}}, "resources.train.affinity.node: unknown key; allowed: nodeAffinity"),
    ({"train": {"node_selector": {"a b": "c"}}}, "resources.train.node_selector"),
    ({"train": {"priority_class": "Very High"}}, "resources.train.priority_class"),
]  # fmt: skip


@pytest.mark.parametrize(("resources", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_mistakes_name_the_place_and_what_is_allowed(churn: Pipeline, resources: dict[str, Any], message: str) -> None:
    text = changed(churn).to_yaml().replace("resources: {}\nrun:", f"resources: {resources}\nrun:")
    with pytest.raises(ConfigurationError) as error:
        parse_pipeline(text, "churn.yaml")
    assert "churn.yaml: " in str(error.value)
    assert message in str(error.value)


def test_numbers_and_truth_values_are_taken_for_what_they_mean() -> None:
    resources = Resources.model_validate({"cpu": 4, "node_selector": {"nvidia.com/gpu.present": True, "pool": 3}})
    assert (resources.cpu, resources.node_selector) == ("4", {"nvidia.com/gpu.present": "true", "pool": "3"})


def test_the_more_particular_wins_selectors_merge_and_tolerations_add_up() -> None:
    base = Resources.model_validate({
        "cpu": 1, "memory": "2Gi", "node_selector": {"pool": "ml", "zone": "a"},
        "tolerations": [{"key": "ml", "operator": "Exists"}],
    })  # fmt: skip
    own = Resources.model_validate({
        "cpu": 4, "node_selector": {"zone": "b"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
    })  # fmt: skip
    whole = own.over(base)
    assert (whole.cpu, whole.memory) == ("4", "2Gi")
    assert whole.node_selector == {"pool": "ml", "zone": "b"}
    assert [toleration.key for toleration in whole.tolerations or []] == ["ml", "gpu"]
    assert own.over(whole) == whole


def test_what_serves_either_of_two_steps_is_the_larger_of_each_amount() -> None:
    with_gpu = {"gpu": 1, "cpu": "500m", "memory": "2Gi", "node_selector": {"pool": "fast"}}
    large = {"cpu": 4, "memory": "16Gi", "node_selector": {"pool": "large"}, "deadline_minutes": 90}
    either = {"gpu": 1, "cpu": "4", "memory": "16Gi", "deadline_minutes": 90, "node_selector": {"pool": "fast"}}
    one, other = Resources.model_validate(with_gpu), Resources.model_validate(large)
    for both in (one.and_at_least(other), other.and_at_least(one)):
        assert both.model_dump(exclude_none=True) == either
    assert one.and_at_least(Resources()) == one


def test_an_algorithms_resources_win_over_the_steps_and_those_over_the_default(small_churn: Pipeline) -> None:
    document = small_churn.model_dump(mode="json")
    document["resources"] = {"default": {"cpu": 1, "memory": "1Gi"}, "train": {"cpu": 2, "gpu": 0}}
    document["algorithms"]["logistic"]["resources"] = {"train": {"gpu": 1}}
    pipeline = pipeline_of(document)
    train = pipeline.resources_of("train", "logistic")
    assert (train.cpu, train.memory, train.gpu) == ("2", "1Gi", 1)
    assert pipeline.resources_of("tune", "logistic").gpu is None
    assert pipeline.resources_of("ingest").cpu == "1"
    assert pipeline_of(pipeline.model_dump(mode="json")) == pipeline
