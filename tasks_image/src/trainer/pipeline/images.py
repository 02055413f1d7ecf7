"""Pipelines whose rows are images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainer.pipeline.modeling import AlgorithmName
from trainer.pipeline.networks import EpochParams, Network, NetworkPipeline
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


class NetworkParams(EpochParams):
    """What a convolutional network is, and how it is trained."""

    lr: Annotated[float, Field(gt=0, le=1)] = 0.004
    """The highest learning rate: it rises to it and falls again, in one cycle (Smith 2018)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    channels: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (32, 64)
    """Of the two convolutions."""
    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of the fully connected layer."""


class Cnn(Network):
    """Two convolutions with pooling, and two fully connected layers."""

    params_class: ClassVar[type[EpochParams]] = NetworkParams

    KIND: Literal["cnn"] = "cnn"


class ImagePipeline(NetworkPipeline):
    """Rows are images, which a network learns."""

    modality: ClassVar[str] = "images"
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset({"images"})
    problems: ClassVar[frozenset[str]] = frozenset({"binary_classification", "multiclass_classification"})

    images: Images
    algorithms: Annotated[Mapping[AlgorithmName, Cnn], Field(min_length=1)]
