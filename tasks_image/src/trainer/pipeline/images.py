"""Pipelines whose rows are images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainer.pipeline.document import mistakes_in
from trainer.pipeline.modeling import Algorithm, AlgorithmName, Choice
from trainer.pipeline.pipeline import Pipeline
from trainer.pipeline.spec import Spec


class Images(Spec):
    """What each image is."""

    column: str = "image"
    """The column with the bytes of each: a PNG or JPEG file, or its pixels (rows, columns, channels), a byte each."""
    height: Annotated[int, Field(ge=8, le=1024)]
    """In pixels; an image of another size is refused."""
    width: Annotated[int, Field(ge=8, le=1024)]
    channels: Literal[1, 3] = 1
    """1: grey, 3: colours."""


class NetworkParams(Spec):
    """What a convolutional network is, and how it is trained."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """How often all training rows are seen."""
    lr: Annotated[float, Field(gt=0, le=1)] = 0.004
    """The highest learning rate: it rises to it and falls again, in one cycle (Smith 2018)."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 128
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    channels: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (32, 64)
    """Of the two convolutions."""
    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of the fully connected layer."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5
    """A training that is killed loses no more than that."""


class Cnn(Algorithm):
    """Two convolutions with pooling, and two fully connected layers."""

    KIND: Literal["cnn"] = "cnn"

    def mistakes(self, name: str) -> list[str]:
        """What is wrong with its parameters and their search, as lines for a person."""
        tried = [
            {key: value}
            for key, space in self.search.items()
            for value in (space.choices if isinstance(space, Choice) else (space.low, space.high))
        ]
        found = [f"algorithms.{name}.params.{mistake}" for mistake in mistakes_in(NetworkParams, self.params)]
        found += [f"algorithms.{name}.search.{mistake}" for one in tried for mistake in mistakes_in(NetworkParams, one)]
        return list(dict.fromkeys(found))


class ImagePipeline(Pipeline):
    """Rows are images, which a network learns."""

    modality: ClassVar[str] = "images"
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset({"images"})

    trains_in_epochs: ClassVar[bool] = True
    problems: ClassVar[frozenset[str]] = frozenset({"binary_classification", "multiclass_classification"})

    images: Images
    algorithms: Annotated[Mapping[AlgorithmName, Cnn], Field(min_length=1)]

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
        return mistakes
