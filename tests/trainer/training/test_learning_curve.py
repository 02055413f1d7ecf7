"""The points of a training curve, computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from trainer.training.learning_curve import MOST_ROWS, POINTS, TrainingCurve
from trainer.training.training_rows import HeldRows

TRUTH = np.array([0.0, 1.0, 1.0])
ROWS = HeldRows(np.zeros((3, 1)), TRUTH)
NONE = HeldRows(np.zeros((0, 1)), np.zeros(0))


def points_of(training: Any, validation: Any, predictions: list[Any], *, classes: bool = True) -> list[Any]:
    points: list[Any] = []
    curve = TrainingCurve(training, validation, classes=classes, log=lambda *point: points.append(point))
    curve.add(3, [np.array(made) for made in predictions])
    return points


def test_two_classes() -> None:
    [(epoch, train_loss, val_loss, accuracy)] = points_of(ROWS, ROWS, [[0.2, 0.9, 0.6], [0.6, 0.9, 0.6]])
    assert epoch == 3
    assert train_loss == pytest.approx(-(math.log(0.8) + math.log(0.9) + math.log(0.6)) / 3)
    assert val_loss == pytest.approx(-(math.log(0.4) + math.log(0.9) + math.log(0.6)) / 3)
    assert accuracy == pytest.approx(2 / 3)


def test_many_classes_and_one_that_is_certainly_wrong() -> None:
    shares = [[1.0, 0.0, 0.0], [0.2, 0.7, 0.1], [1.0, 0.0, 0.0]]
    [(_, train_loss, val_loss, accuracy)] = points_of(ROWS, ROWS, [shares, shares])
    assert train_loss == val_loss == pytest.approx(-(math.log(0.7) + math.log(1e-15)) / 3)
    assert accuracy == pytest.approx(2 / 3)


def test_numbers() -> None:
    points = points_of(ROWS, ROWS, [[0.5, 1.0, 1.0], [0.0, 1.0, 3.0]], classes=False)
    assert points == [(3, pytest.approx(0.25 / 3), pytest.approx(4 / 3), None)]


def test_without_validation_rows() -> None:
    [(_, train_loss, val_loss, accuracy)] = points_of(ROWS, NONE, [[0.2, 0.9, 0.6]])
    assert (val_loss, accuracy) == (None, None)
    assert train_loss > 0


@pytest.mark.parametrize("epochs", [1, 7, POINTS, 50, 101, 2000])
def test_few_epochs_are_scored_and_the_last_always(epochs: int) -> None:
    curve = TrainingCurve(ROWS, ROWS, classes=True, log=lambda *_: None)
    due = [epoch for epoch in range(1, epochs + 1) if curve.is_due(epoch, epochs)]
    assert due[-1] == epochs
    assert min(epochs, POINTS // 2) <= len(due) <= POINTS + 1


def test_many_rows_are_spread_over_the_whole() -> None:
    many = np.arange(3.0 * MOST_ROWS)
    curve = TrainingCurve(HeldRows(many[:, None], many), ROWS, classes=False, log=lambda *_: None)
    features, targets = curve.parts[0]
    assert len(features) == len(np.unique(targets)) == MOST_ROWS
    assert (targets[0], targets[-1]) == (0, many[-1])
    assert np.array_equal(features[:, 0], targets)
