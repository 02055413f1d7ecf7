"""Weights of classes by label reach the estimator by code."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import LightGBM
from trainer.training.class_weights import with_weights_of_codes


@pytest.mark.parametrize(
    ("weights", "classes", "codes"),
    [
        ({"Yes": 5, "No": 1}, ("No", "Yes"), {0: 1, 1: 5}),
        ({"1": 5, 0: 1}, (0, 1), {0: 1, 1: 5}),
        ({True: 5, False: 1}, ("false", "true"), {0: 1, 1: 5}),
    ],
    ids=["labels", "numbers", "booleans"],
)
def test_weights_are_those_of_the_classes(weights: Any, classes: tuple[Any, ...], codes: dict[int, float]) -> None:
    found = with_weights_of_codes(LightGBM(params={"class_weight": weights, "n_estimators": 3}), classes)
    assert found.params == {"class_weight": codes, "n_estimators": 3}


def test_a_class_that_is_missing_or_not_known_is_refused() -> None:
    for weights in ({"Yes": 5}, {"Yes": 5, "Nope": 1}, {"Yes": 5, "No": 1, "no": 2}):
        with pytest.raises(ConfigurationError, match="expected one of each class of the target: 'No', 'Yes'"):
            with_weights_of_codes(LightGBM(params={"class_weight": weights}), ("No", "Yes"))


def test_other_weights_stay_as_they_are() -> None:
    balanced = LightGBM(params={"class_weight": "balanced"})
    assert with_weights_of_codes(balanced, ("No", "Yes")) is balanced
