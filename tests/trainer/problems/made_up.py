"""Predictions of each problem, drawn by a seed."""

from __future__ import annotations

import numpy as np

from trainer.pipeline import metrics_for
from trainer.problems.predictions import Predictions

PROBLEMS = ["binary_classification", "multiclass_classification", "regression", "language_modeling"]
EVERY = [(problem, metric) for problem in PROBLEMS for metric in metrics_for(problem)]
CLASSES = ("b", "c", "a")
"""Out of their alphabetical order on purpose: the order of the columns is the model's."""


def make(problem: str, rows: int = 300, model: int = 0, noise: float = 1.0) -> Predictions:
    """Predictions with many ties; the true values depend on the number of rows alone, the answers on the model too."""
    truths, answers = np.random.default_rng(rows), np.random.default_rng([rows, model])
    if problem == "regression":
        truth = truths.normal(1e4, 50, rows).round()
        return Predictions(truth, truth + answers.normal(0, 40 * noise, rows).round(), None)
    if problem == "language_modeling":
        size, tokens = truths.integers(200, 9000, rows).astype(float), answers.integers(40, 60, rows).astype(float)
        return Predictions(size, -size * (0.7 + 0.2 * noise * answers.random(rows)), None, tokens=tokens)
    if problem == "binary_classification":
        hit = truths.random(rows) < 0.3
        probability = np.clip(0.3 * hit + 0.3 + 0.3 * noise * answers.normal(size=rows), 0, 1).round(2)
        return Predictions(hit, probability >= 0.5, probability, positive=True)
    codes = truths.choice(3, rows, p=[0.5, 0.3, 0.2])
    points = answers.integers(1, 6, (rows, 3)) + np.eye(3)[codes] * np.round(3 / noise)
    labels = np.array(CLASSES)
    return Predictions(
        labels[codes], labels[points.argmax(axis=1)], points / points.sum(axis=1, keepdims=True), CLASSES
    )
