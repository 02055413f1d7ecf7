"""The simulation of retraining: that its figures are those of monitoring, and, small and seeded, that the rule holds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.simulation.models import PRODUCTION_AUC
from bench.simulation.promotion import shipped
from bench.simulation.retraining import LIMIT, Looks, Side, draw_answers
from bench.simulation.retraining_report import drop_table, missed_retraining, stable_table
from bench.simulation.runner import simulate
from bench.simulation.share import Share
from trainer.monitoring.look import REFERENCE_SEED, SEED, _performance
from trainer.run.records import LabelledPerformance


def test_answers_have_their_area_and_looks_the_bound_of_monitoring() -> None:
    random = np.random.default_rng(0)
    answers = draw_answers(random, 400_000, 0.03)
    assert roc_auc_score(answers.truth, answers.probability) == pytest.approx(PRODUCTION_AUC - 0.03, abs=0.002)
    before, now = (draw_answers(random, 500, drop) for drop in (0.0, 0.1))
    reference = Side(before, REFERENCE_SEED)
    found = _performance(shipped(), before, now)["performance"]
    assert isinstance(found, LabelledPerformance)
    assert reference.drop_bound(Side(now, SEED)) == found.drop_bound
    assert reference.value - Side(now, SEED).value == pytest.approx(found.drop.value)


def test_large_drops_are_found_and_stable_weeks_are_not() -> None:
    stable, worse = Looks(0.0, 1_000, 1_000, 4, 4), Looks(0.1, 1_000, 1_000, 2, 2)
    found = simulate([stable, worse], 1, quick=False, processes=1)
    assert found[stable][0] == Share(0, 4)
    assert found[worse] == [Share(2, 2), Share(4, 4)]


def test_what_is_missed_is_named() -> None:
    stable, worse, few = (
        Looks(0.0, 5_000, 5_000, 52, 100),
        Looks(0.03, 5_000, 5_000, 3, 100),
        Looks(0.03, 1_000, 1_000, 3, 100),
    )
    seldom, often, looks = Share(0, 100), Share(95, 100), Share(3, 300)
    assert missed_retraining({stable: [seldom, looks], worse: [often, looks], few: [seldom, looks]}) == []
    assert missed_retraining({stable: [Share(2, 100), looks], worse: [Share(82, 100), looks]}) == [
        "5,000 test rows, 5,000 rows a week: 2.0%, up to 6.2% of stable years start a training run, at most 5% may",
        "a drop of 0.03: 82.0% found, at the least 74.5%; 80% are asked for",
    ]
    assert "| 5,000 | 5,000 | 100 | 0 | 0.0% | 0.0% | 3.0% | 1.00% |" in stable_table({stable: [seldom, looks]})
    assert "| 0.03 | 5,000 | 5,000 | 100 | 95 | 95.0% | 2.2% | 89.8% | 1.0% |" in drop_table({worse: [often, looks]})
    assert LIMIT < 0.03
