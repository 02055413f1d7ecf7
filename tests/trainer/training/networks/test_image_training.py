"""Pixels as a network takes them."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.training.networks.image_training import _mean_and_deviation


def test_pixels_are_standardised_by_their_mean_and_deviation() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1100, 3, 8, 8), dtype=np.uint8)
    mean, deviation = _mean_and_deviation(pixels)
    assert mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-6)
    assert deviation == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-6)
    assert _mean_and_deviation(np.zeros((2, 1, 8, 8), dtype=np.uint8))[1].tolist() == [1.0]
