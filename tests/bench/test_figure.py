"""Ratio, goal and verdict of a figure."""

import math

import pytest

from bench.figure import Better, Figure
from trainer.errors import TrainerError


def figure(value: float = 3.0, reference: float = 2.0, goal: float = 1.5, better: Better = "lower") -> Figure:
    return Figure("speed", value, reference, goal, better, "s", "this against that")


def test_the_ratio_is_the_value_in_units_of_its_reference():
    assert figure(value=3.0, reference=2.0).ratio == 1.5


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [
        pytest.param(2.9, "lower", True, id="lower, below the goal"),
        pytest.param(3.0, "lower", True, id="lower, at the goal"),
        pytest.param(3.1, "lower", False, id="lower, above the goal"),
        pytest.param(2.9, "higher", False, id="higher, below the goal"),
        pytest.param(3.0, "higher", True, id="higher, at the goal"),
        pytest.param(3.1, "higher", True, id="higher, above the goal"),
    ],
)
def test_the_direction_decides_on_which_side_of_the_goal_a_ratio_is_good(value, better, met):
    assert figure(value=value, better=better).met is met


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        pytest.param(1.0, 0.0, id="no reference"),
        pytest.param(1.0, -1.0, id="negative reference"),
        pytest.param(math.nan, 1.0, id="value is not a number"),
        pytest.param(1.0, math.inf, id="infinite reference"),
    ],
)
def test_what_has_no_ratio_is_refused(value, reference):
    with pytest.raises(TrainerError, match=r"speed: .* is no measurement"):
        figure(value=value, reference=reference)


def test_an_entry_holds_what_a_reader_of_the_results_needs():
    assert figure().as_entry() == {
        "value": 3.0, "reference": 2.0, "ratio": 1.5, "goal": 1.5, "better": "lower", "unit": "s", "how": "this against that",
    }  # fmt: skip
