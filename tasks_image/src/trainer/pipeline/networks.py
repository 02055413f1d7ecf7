"""Pipelines whose models are networks, trained in epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainer.pipeline.document import mistakes_in
from trainer.pipeline.modeling import Algorithm, AlgorithmName, Choice
from trainer.pipeline.pipeline import Pipeline
from trainer.pipeline.spec import Spec


class EpochParams(Spec):
    """Parameters of the training of any network."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Passes over all training rows."""
    lr: Annotated[float, Field(gt=0, le=1)] = 0.001
    """The highest learning rate."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Rows that each step learns from: of all GPUs together, where there are several."""
    accumulation: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Parts in which a batch is computed, where it does not fit into memory at once: the gradients add up."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto`: bfloat16 where the processor or the GPU computes with it, else 32 bits."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5
    """A training that is killed loses no more than that."""


class Network(Algorithm):
    """A network whose parameters are checked."""

    params_class: ClassVar[type[EpochParams]] = EpochParams
    """What its parameters may be."""

    def mistakes(self, name: str) -> list[str]:
        """What is wrong with its parameters and their search, as lines for a person."""
        tried = [
            {key: value}
            for key, space in self.search.items()
            for value in (space.choices if isinstance(space, Choice) else (space.low, space.high))
        ]
        kind = self.params_class
        found = [f"algorithms.{name}.params.{mistake}" for mistake in mistakes_in(kind, self.params)]
        found += [f"algorithms.{name}.search.{mistake}" for one in tried for mistake in mistakes_in(kind, one)]
        return list(dict.fromkeys(found))


class NetworkPipeline(Pipeline):
    """Networks learn the rows."""

    trains_in_epochs: ClassVar[bool] = True

    algorithms: Annotated[Mapping[AlgorithmName, Network], Field(min_length=1)]

    @property
    def scoring_batch(self) -> int | None:
        """Always all at once: the batch of the run parameters is the one that is learned from."""
        return None

    def with_run_parameters(self, document: dict[str, Any]) -> dict[str, Any]:
        """Epochs, learning rate and batch of the run go into the parameters of each network."""
        given = {name: document["run"].get(name) for name in ("epochs", "lr", "batch_size")}
        chosen = {name: value for name, value in given.items() if value is not None}
        algorithms = {
            name: {**algorithm, "params": {**algorithm["params"], **chosen}}
            for name, algorithm in document["algorithms"].items()
        }
        return {**document, "algorithms": algorithms}

    def modality_mistakes(self) -> list[str]:
        mistakes = [mistake for name, algorithm in self.algorithms.items() for mistake in algorithm.mistakes(name)]
        if self.tuning.early_stopping is not None:
            mistakes.append("tuning.early_stopping: a network is trained for `epochs`; leave it out")
        return mistakes + [
            f"algorithms.{name}: `tune` asks for {gpus} GPUs, and a trial is trained on one; use tuning.workers"
            for name in self.algorithms
            if (gpus := self.resources_of("tune", name).gpu or 0) > 1
        ]
