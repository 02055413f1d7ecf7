"""Weights of classes, by their labels: estimators learn codes, and take the weights of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.inference.labels import find_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.pipeline import AnyAlgorithm

CLASS_WEIGHT = "class_weight"


def with_weights_of_codes(algorithm: AnyAlgorithm, classes: Sequence[Any]) -> AnyAlgorithm:
    """Return the algorithm with `class_weight` by code, in the order of `classes`; others are returned as they are.

    Raises ConfigurationError if the weights name another class, or lack one.
    """
    weights = algorithm.params.get(CLASS_WEIGHT)
    if not isinstance(weights, dict) or not classes:
        return algorithm
    by_class = {find_class(classes, label): weight for label, weight in weights.items()}
    if {*by_class} != {*classes} or len(by_class) != len(weights):
        raise ConfigurationError(
            f"params.{CLASS_WEIGHT}: has weights of {', '.join(map(repr, weights))}, expected one of each class of the "
            f"target: {', '.join(map(repr, classes))}"
        )
    codes = {code: by_class[label] for code, label in enumerate(classes)}
    return algorithm.model_copy(update={"params": {**algorithm.params, CLASS_WEIGHT: codes}})
