"""The simulation: that its truth is the truth, and, small and seeded, that the rules keep their word."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.simulation import sections
from bench.simulation.__main__ import main
from bench.simulation.columns import COLUMNS, draw_table
from bench.simulation.drift import Drifting
from bench.simulation.experiments import Comparison, Ratio
from bench.simulation.freshness import NotWorse, Year
from bench.simulation.models import PRODUCTION_AUC, Rival, draw_production, draw_rival, draw_truth
from bench.simulation.months import MonthlyRuns
from bench.simulation.promotion import Promotion
from bench.simulation.report import alarm_bound, missed_alarms, missed_promotions
from bench.simulation.retraining import Looks
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


def test_a_lower_bound_lies_below_its_share() -> None:
    assert Share(299, 299).lower == pytest.approx(0.99, abs=0.0001)
    assert Share(95, 100).lower == pytest.approx(1 - Share(5, 100).upper)
    assert Share(0, 4).lower == 0.0


def test_what_is_missed_is_named() -> None:
    cell, drift = Promotion("+0.000", 500, 100, Rival()), Drifting(200, 200, 100)
    still = [Share(0, 100), Share(0, 500), Share(0, 1300)]
    assert missed_promotions({cell: [Share(1, 100)]}) == []
    assert missed_alarms({drift: still}, 0.3) == []
    assert "+0.000, 500 rows: 6.0% promoted" in missed_promotions({cell: [Share(6, 100)]})[0]
    assert "false alarms" in missed_alarms({drift: [Share(2, 100), *still[1:]]}, 0.3)[0]
    assert alarm_bound(Share(300, 1800), 0.3) > 0.01


def _of(cells: dict[str, list[Any]], name: str, **_: bool) -> list[Any]:
    return cells[name]


def test_the_command_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells: dict[str, list[Any]] = {
        "promotion": [Promotion("+0.000", 500, 2, Rival())],
        "months": [MonthlyRuns(250, 1, Rival(few_rows=0)), MonthlyRuns(150, 1, Rival(gain=0.15))],
        "freshness": [NotWorse(1.0, 500, 2), Year("equal", 500, 1, weeks=1)],
        "retraining": [Looks(0.0, 500, 500, 1, 1), Looks(0.1, 500, 500, 2, 1)],
        "experiments": [Comparison(0, 2, units=400), Ratio(0.5, 0.5, 2, units=10)],
        "drift": [Drifting(200, 200, 2)],
    }
    for name, section in sections.SECTIONS.items():
        monkeypatch.setitem(sections.SECTIONS, name, replace(section, cells=partial(_of, cells, name)))
    monkeypatch.setattr(sections, "TELCO", tmp_path / "not there")
    output = tmp_path / "simulation.md"
    code = main(["--quick", "--processes", "1", "--output", str(output)])
    text = output.read_text()
    assert code == 1, "two challengers bound nothing"
    assert text.count("with seed 42") == 6
    assert "not measured in this run" in text
    assert "| 500 | 2 | 0 | 0.0% | 0.0% | 77.6% |" in text
    assert "| 250 | 0.95 | 12 | 0 | 0.0% | 0.0% | 22.1% | 0 of 0 | 1 | 0 | 0.0% | 0.0% | 95.0% |" in text
    assert "| +0.150 | 150 | 0.95 | 1 | 1 | 100.0% | 0.0% | 5.0% | 1 | 100.0% | 0.0% | 5.0% | 1 of 1 |" in text

    cells["drift"] = [Drifting(200, 200, 3)]
    main(["drift", "--seed", "7", "--quick", "--processes", "1", "--output", str(output)])
    again = output.read_text()
    promotion, drift = text.index("## Promotion"), text.index("## Drift")
    assert again[promotion:drift] == text[promotion:drift], "the other sections stay"
    assert "with seed 7" in again[drift:]
    assert "3 pairs of tables" in again[drift:]


def test_an_unknown_section_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["month", "--output", str(tmp_path / "simulation.md")])
    assert (
        "no section 'month'; choose from promotion, months, freshness, retraining, experiments, drift"
        in capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())
