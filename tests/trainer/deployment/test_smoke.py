"""The smoke test: answers have to be those of the registered model."""

from __future__ import annotations

import pytest

from trainer.deployment.smoke import largest_difference
from trainer.errors import ModelRefusedError

ANSWERS = [{"prediction": "Yes", "probability": 0.75}, {"prediction": "No", "probability": 0.25}]


def test_floats_may_differ_by_what_arithmetic_explains() -> None:
    near = [ANSWERS[0] | {"probability": 0.75 + 1e-9}, ANSWERS[1]]
    assert largest_difference(near, ANSWERS) == pytest.approx(1e-9, rel=1e-3)
    assert largest_difference([{"prediction": 3e9 + 1}], [{"prediction": 3e9}]) < 1e-6  # as a share of a large number


@pytest.mark.parametrize(
    "other",
    [
        {"prediction": "No", "probability": 0.75}, {"prediction": "Yes", "probability": 0.76}, {"prediction": "Yes"},
        {"prediction": "Yes", "probability": None}, {"prediction": "Yes", "probability": float("nan")},
    ],
)  # fmt: skip
def test_another_answer_is_refused_with_its_row(other: dict[str, object]) -> None:
    with pytest.raises(ModelRefusedError, match=r"1 of 2 answers differ from those of the registered model: row 0: \{"):
        largest_difference([other, ANSWERS[1]], ANSWERS)
