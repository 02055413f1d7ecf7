"""From a model's output to predictions that can be scored."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import ModelRefusedError
from trainer.problems import problem_of

LEAVERS = "binary_classification"


@pytest.mark.parametrize(
    ("truth", "predicted", "positive"),
    [
        (["no", "yes"], ["no", "yes"], "yes"),
        ([0, 1], [0, 1], 1),
        ([False, True], [False, True], True),
        ([0, 1], ["0", "1"], 1),
        ([0.0, 1.0], [0.0, 1.0], 1),
        (["False", "True"], ["False", "True"], True),
        (["no ", " yes"], ["no ", " yes"], "yes"),
    ],
    ids=["texts", "numbers", "booleans", "texts-for-numbers", "floats", "texts-for-booleans", "blanks"],
)
def test_classes_are_compared_as_texts(truth: list[Any], predicted: list[Any], positive: Any) -> None:
    output = pl.DataFrame({"prediction": predicted, "probability": [0.2, 0.9]})
    predictions = problem_of(LEAVERS).predictions(pl.Series("y", truth), output, positive)
    assert predictions.truth.tolist() == predictions.predicted.tolist()
    assert predictions.positive == predictions.truth[1]


def test_three_classes_take_their_names_from_the_columns() -> None:
    output = pl.DataFrame({
        "prediction": ["c", "a"],
        "probability": [0.6, 0.5],
        "probability_a": [0.1, 0.5],
        "probability_b": [0.3, 0.3],
        "probability_c": [0.6, 0.2],
    })
    predictions = problem_of("multiclass_classification").predictions(pl.Series("y", ["c", "b"]), output, None)
    assert predictions.classes == ("a", "b", "c")
    assert predictions.probability is not None
    assert predictions.probability.shape == (2, 3)


@pytest.mark.parametrize("names", [("1", "2", "3"), ("1.0", "2.0", "3.0")], ids=["this release", "an earlier one"])
def test_classes_that_are_floats_are_those_of_the_columns(names: tuple[str, ...]) -> None:
    shares = {f"probability_{name}": [1.0 / 3] for name in names}
    output = pl.DataFrame({"prediction": [2.0], "probability": [1.0 / 3], **shares})
    predictions = problem_of("multiclass_classification").predictions(pl.Series("y", [2.0]), output, None)
    assert (predictions.truth.tolist(), predictions.classes) == (["2"], ("1", "2", "3"))


def test_numbers_have_no_probability() -> None:
    predictions = problem_of("regression").predictions(
        pl.Series("y", [1, 2]), pl.DataFrame({"prediction": [1.5, 2.5]}), None
    )
    assert predictions.probability is None
    assert predictions.truth.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 1.5, -0.1], ids=["nan", "infinite", "above", "below"])
def test_a_probability_that_is_none_is_refused(share: float) -> None:
    output = pl.DataFrame({"prediction": ["no", "yes"], "probability": [0.5, share]})
    with pytest.raises(ModelRefusedError):
        problem_of(LEAVERS).predictions(pl.Series("y", ["no", "yes"]), output, "yes")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None], ids=["nan", "infinite", "missing"])
def test_a_prediction_that_is_no_number_is_refused(value: float | None) -> None:
    output = pl.DataFrame({"prediction": [1.0, value]})
    with pytest.raises(ModelRefusedError):
        problem_of("regression").predictions(pl.Series("y", [1.0, 2.0]), output, None)
