"""ROC-AUC estimated without labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trainer.evaluation.estimated import estimated_auc_roc, expected_auc_roc
from trainer.problems.predictions import Predictions


def drawn(rows: int, seed: int, shift: float = 0.0) -> tuple[Predictions, np.ndarray]:
    """Answers that are too sure of themselves, of rows whose true P(positive) is known."""
    random = np.random.default_rng(seed)
    level = random.normal(loc=shift, size=rows)
    truth = random.random(rows) < 1 / (1 + np.exp(-level))
    probability = 1 / (1 + np.exp(-3 * level))
    labels = np.where(truth, "Yes", "No")
    return Predictions(labels, np.where(probability > 0.5, "Yes", "No"), probability, positive="Yes"), truth


def test_known_values() -> None:
    assert expected_auc_roc(np.array([1.0, 1.0, 0.0])) == 1.0
    assert expected_auc_roc(np.full(5, 0.3)) == pytest.approx(0.5)
    # Two rows: the positive one is the surer one with 0.9 * 0.8, the other with 0.1 * 0.2, of 1.1 * 0.9 pairs.
    assert expected_auc_roc(np.array([0.2, 0.9])) == pytest.approx(
        (0.9 * 0.8 + (0.9 * 0.1 + 0.2 * 0.8) / 2) / (1.1 * 0.9)
    )
    assert expected_auc_roc(np.array([0.2, 0.9]), np.array([3.0, 1.0])) == expected_auc_roc(
        np.array([0.9, 0.2, 0.2, 0.2])
    )
    assert expected_auc_roc(np.ones(3)) is None


def test_the_estimate_follows_the_inputs_though_answers_are_not_calibrated() -> None:
    calibration, _ = drawn(10_000, 1)
    before, _ = drawn(20_000, 2)
    moved, truth = drawn(20_000, 3, shift=1.0)
    assert moved.probability is not None
    found = estimated_auc_roc(calibration, moved.probability)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(truth, moved.probability), abs=0.02)
    assert found.lower <= found.value <= found.upper
    assert 0.005 < found.upper - found.lower < 0.1
    assert before.probability is not None
    unmoved = estimated_auc_roc(calibration, before.probability)
    assert unmoved is not None
    assert unmoved.value == pytest.approx(roc_auc_score(before.truth == "Yes", before.probability), abs=0.015)


def test_answers_that_are_sure_have_no_estimate() -> None:
    truth = np.array(["Yes", "Yes", "No", "No"])
    sure = Predictions(truth, truth, np.array([0.9, 0.8, 0.1, 0.2]), positive="Yes")
    assert estimated_auc_roc(sure, np.array([0.95, 0.99])) is None
