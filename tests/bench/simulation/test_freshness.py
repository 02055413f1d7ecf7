"""The simulation of the rule `not_worse`: that its truth is the truth, and, small and seeded, that the rule holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.simulation.freshness import MARGIN, Kind, NotWorse, Year, _reversed_in_few_rows, draw_scores
from bench.simulation.freshness_report import CONTRAST, comparison_table, missed_freshness, year_table
from bench.simulation.models import PRODUCTION_AUC, draw_production, draw_truth
from bench.simulation.runner import simulate
from bench.simulation.share import Share

HUGE = 400_000
KINDS: tuple[Kind, ...] = ("sinking", CONTRAST)


def test_any_two_models_have_their_areas_and_their_correlation() -> None:
    random = np.random.default_rng(0)
    positive = draw_truth(random, HUGE)
    aucs = [0.83, 0.84, 0.85]
    scores = draw_scores(random, positive, aucs, 0.99)
    assert [roc_auc_score(positive, one) for one in scores] == pytest.approx(aucs, abs=0.002)
    for one, other in pairwise([*scores, scores[0]]):
        assert np.corrcoef(one[positive], other[positive])[0, 1] == pytest.approx(0.99, abs=0.001)


def test_few_mirrored_rows_lose_what_they_should() -> None:
    random = np.random.default_rng(0)
    positive = draw_truth(random, HUGE)
    production = draw_production(random, positive)
    scores = _reversed_in_few_rows(random, production, 2 * MARGIN)
    assert roc_auc_score(positive, scores) == pytest.approx(PRODUCTION_AUC - 2 * MARGIN, abs=0.002)
    assert (scores != production).mean() == pytest.approx(0.0294, abs=0.001)


def test_worse_challengers_are_rarely_promoted_and_equal_ones_on_enough_rows() -> None:
    worse, few, equal = NotWorse(1.0, 500, 12), NotWorse(1.0, 500, 12, few_rows=True), NotWorse(0.0, 2_000, 3)
    cells: list[NotWorse | Year] = [worse, few, equal]
    found = simulate(cells, 1, quick=False, processes=1)
    assert [found[cell][0].hits for cell in (worse, few)] == [0, 0]
    assert found[worse][1].hits <= 2
    assert found[equal][0].hits >= 2


def test_losses_add_up_without_an_anchor_only() -> None:
    cells: list[NotWorse | Year] = [Year(kind, 1_000, 1, weeks=7) for kind in KINDS]
    found = simulate(cells, 1, quick=False, processes=1)
    assert [found[cell][1] for cell in cells] == [Share(0, 1), Share(1, 1)]
    assert found[cells[1]][0].hits >= 5


def test_what_is_missed_is_named() -> None:
    worse, few, year = NotWorse(1.0, 500, 100), NotWorse(1.0, 500, 100, few_rows=True), Year("sinking", 500, 100)
    contrast = Year(CONTRAST, 500, 100)
    good, bad = Share(1, 100), Share(6, 100)
    met: dict[NotWorse | Year, list[Share]] = {
        worse: [good, good],
        few: [good, bad],
        year: [good, Share(0, 100), good],
        contrast: [good, bad, bad],
    }
    assert missed_freshness(met) == []
    missed: dict[NotWorse | Year, list[Share]] = {worse: [bad, bad], few: [bad, good], year: [good, bad, good]}
    lines = missed_freshness(missed)
    assert [line.split(",")[0] for line in lines] == [
        "a loss of 1 margins", "a loss of 1 margins", "a loss of 1 margins", "sinking", "500 rows a week: up to 11.5% of years beyond the margin",
    ]  # fmt: skip
    assert "| 1 | 500 | other in few rows | 100 | 6.0% | 1 | 1.0% | 1.0% | 4.7% |" in comparison_table(met)
    assert "| sinking, production only | 500 | 100 | 0.0 | 6 | 6.0% | 2.4% | 11.5% | 6 |" in year_table(met)
