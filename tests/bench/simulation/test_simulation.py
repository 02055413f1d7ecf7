"""The simulation: that its truth is the truth, and, small and seeded, that the rules keep their word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.simulation import __main__ as command
from bench.simulation.columns import COLUMNS, draw_table
from bench.simulation.drift import Drifting
from bench.simulation.models import PRODUCTION_AUC, Rival, draw_production, draw_rival, draw_truth
from bench.simulation.promotion import Promotion
from bench.simulation.report import alarm_bound, missed
from bench.simulation.runner import simulate
from bench.simulation.share import Share

HUGE = 1_000_000


@pytest.mark.parametrize("gain", [-0.02, 0.0, 0.01, 0.03])
def test_the_true_gain_is_exact(gain: float) -> None:
    random = np.random.default_rng(0)
    positive = draw_truth(random, HUGE)
    production = draw_production(random, positive)
    challenger = draw_rival(random, Rival(gain=gain, correlation=0.95), positive, production)
    areas = [roc_auc_score(positive, scores) for scores in (challenger, production)]
    assert areas[1] == pytest.approx(PRODUCTION_AUC, abs=0.0015)  # three standard errors
    assert areas[0] - areas[1] == pytest.approx(gain, abs=0.0006)
    assert np.corrcoef(challenger[positive], production[positive])[0, 1] == pytest.approx(0.95, abs=0.001)


def test_few_rows_are_few() -> None:
    random = np.random.default_rng(0)
    positive = draw_truth(random, 500)
    production = draw_production(random, positive)
    assert (draw_rival(random, Rival(few_rows=6), positive, production) != production).sum() == 6


def promoted(rival: Rival, trials: int = 60) -> Share:
    cell = Promotion("small", 500, trials, rival)
    return simulate([cell], 1, quick=False, processes=1)[cell][0]


@pytest.mark.parametrize(
    "rival",
    [Rival(), Rival(gain=-0.01), Rival(few_rows=6), Rival(decimals=1), Rival(few_rows=0)],
    ids=["equal", "worse", "other in few rows", "ties", "identical"],
)
def test_worse_and_equal_models_are_rarely_promoted(rival: Rival) -> None:
    assert promoted(rival).hits <= 3  # 5 % of 60


def test_better_models_are_promoted() -> None:
    assert promoted(Rival(gain=0.03), 20).hits >= 18


def test_undrifted_tables_are_stable_and_moved_ones_are_found() -> None:
    cells = [Drifting(200, 200, 10), Drifting(500, 500, 3, 0.5)]
    still, moved = (shares[0] for shares in simulate(cells, 1, quick=False, processes=1).values())
    assert (still.hits, moved.hits) == (0, 3)


def test_tables_have_a_share_of_missing_values() -> None:
    table = draw_table(np.random.default_rng(0), 5000)
    assert table.columns == COLUMNS
    assert len(COLUMNS) == 18
    assert {name: round(table[name].null_count() / 5000, 2) for name in ("with_missing", "five", "skewed")} == {
        "with_missing": 0.05, "five": 0.05, "skewed": 0.0,
    }  # fmt: skip


def test_the_number_of_processes_changes_no_figure() -> None:
    cell = Promotion("equal", 500, 4, Rival(gain=0.02))
    assert simulate([cell], 3, quick=False, processes=1) == simulate([cell], 3, quick=False, processes=2)


def test_a_bound_lies_above_its_share() -> None:
    assert Share(0, 299).upper == pytest.approx(0.01, abs=0.0001)  # the rule of three
    assert Share(5, 100).upper == pytest.approx(0.1024, abs=0.0005)
    assert Share(4, 4).upper == 1.0


def test_what_is_missed_is_named() -> None:
    cell, drift = Promotion("+0.000", 500, 100, Rival()), Drifting(200, 200, 100)
    still = [Share(0, 100), Share(0, 500), Share(0, 1300)]
    assert missed({cell: [Share(1, 100)]}, {drift: still}, 0.3) == []
    assert "+0.000, 500 rows: 6.0% promoted" in missed({cell: [Share(6, 100)]}, {drift: still}, 0.3)[0]
    assert "false alarms" in missed({cell: [Share(1, 100)]}, {drift: [Share(2, 100), *still[1:]]}, 0.3)[0]
    assert alarm_bound(Share(300, 1800), 0.3) > 0.01


def test_the_command_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [Promotion("+0.000", 500, 2, Rival())]
    monkeypatch.setattr(command, "promotions", lambda **_: cells)
    monkeypatch.setattr(command, "driftings", lambda **_: [Drifting(200, 200, 2)])
    monkeypatch.setattr(command, "TELCO", tmp_path / "not there")
    output = tmp_path / "simulation.md"
    code = command.main(["--quick", "--processes", "1", "--output", str(output)])
    text = output.read_text()
    assert code == 1, "two challengers bound nothing"
    assert "with seed 42" in text
    assert "not measured in this run" in text
    assert "| 500 | 2 | 0 | 0.0% | 0.0% | 77.6% |" in text
