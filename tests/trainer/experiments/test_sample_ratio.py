"""The sequential check of the sample ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.experiments.sample_ratio import CONCENTRATION, LIMIT, log_bayes_factor


def evidence(a: int, b: int, share_b: float) -> float:
    return float(log_bayes_factor(np.array([a]), np.array([b]), share_b)[0])


def test_it_is_a_martingale_under_the_ratio_asked_for() -> None:
    share, before = 0.3, evidence(40, 25, 0.3)
    after = 0.7 * math.exp(evidence(41, 25, share)) + 0.3 * math.exp(evidence(40, 26, share))
    assert after == pytest.approx(math.exp(before))
    assert evidence(0, 0, share) == pytest.approx(0)
    first = (CONCENTRATION * share) / CONCENTRATION / share
    assert math.exp(evidence(0, 1, share)) == pytest.approx(first)


@pytest.mark.parametrize(("a", "b", "share"), [(5000, 5000, 0.5), (5100, 4900, 0.5), (9000, 1000, 0.1), (3, 0, 0.5)])
def test_what_chance_explains_is_no_mismatch(a: int, b: int, share: float) -> None:
    assert evidence(a, b, share) < LIMIT


@pytest.mark.parametrize(("a", "b", "share"), [(5300, 4700, 0.5), (4700, 5300, 0.5), (8800, 1200, 0.1), (60, 0, 0.5)])
def test_what_chance_does_not_explain(a: int, b: int, share: float) -> None:
    assert evidence(a, b, share) > LIMIT
