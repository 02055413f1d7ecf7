"""The simulation of experiments, small and seeded."""

from __future__ import annotations

from bench.simulation.experiments import Comparison, Ratio
from bench.simulation.experiments_report import missed_experiments, ratio_table, winners_table
from bench.simulation.runner import simulate
from bench.simulation.share import Share

EQUAL, BETTER = Comparison(0, 60, units=4_000), Comparison(0.05, 10)
RIGHT, WRONG = Ratio(0.5, 0.5, 100), Ratio(0.1, 0.12, 10)


def test_equal_versions_rarely_win_and_a_difference_is_found() -> None:
    cells: list[Comparison | Ratio] = [EQUAL, BETTER, RIGHT, WRONG]
    found = simulate(cells, 1, quick=False, processes=1)
    named, wrong = found[EQUAL]
    assert named == wrong
    assert wrong.value <= 0.05
    assert [(share.hits, share.trials) for share in found[BETTER]] == [(10, 10), (0, 10)]
    assert [found[cell][0].value for cell in (RIGHT, WRONG)] == [0, 1]
    assert missed_experiments(found) == []
    assert "| rate of 0.3 | 0.05 | 0.5 | 20,000 | 10 | 100.0% | 0 | 0.0% |" in winners_table(found)
    assert "| 0.1 | 0.12 | 20,000 | 10 | 10 | 100.00% |" in ratio_table(found)


def test_what_is_missed_is_named() -> None:
    missed = missed_experiments({
        EQUAL: [Share(9, 100), Share(9, 100)], BETTER: [Share(80, 100), Share(0, 100)], RIGHT: [Share(9, 1000)],
    })  # fmt: skip
    assert [line.split(":")[0] for line in missed] == ["rate of 0.3, 4,000 units", "rate of 0.3", "share of B 0.5"]
