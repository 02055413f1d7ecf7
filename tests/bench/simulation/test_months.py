"""Monthly runs with `refit: everything`: their test rows, their decisions and, small and seeded, their error rates."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from bench.simulation.models import Rival
from bench.simulation.months import MonthlyRuns, Run, draw_runs
from bench.simulation.months_report import missed_months
from bench.simulation.promotion import outcome_of, shipped
from bench.simulation.runner import simulate
from bench.simulation.share import Share

RULE = shipped().gates.against_production
IDENTICAL, MUCH_BETTER = Rival(few_rows=0), Rival(gain=0.15)


def runs(rival: Rival, rows: int, months: int) -> list[Run]:
    return list(islice(draw_runs(RULE, rival, rows, np.random.default_rng(1)), months))


def test_test_rows_accumulate_while_production_stays() -> None:
    assert runs(IDENTICAL, 250, 4) == [Run(rows, "keep") for rows in (250, 500, 750, 1000)]


def test_a_promotion_leaves_only_the_next_months_rows() -> None:
    assert runs(MUCH_BETTER, 250, 3) == [Run(250, "promote")] * 3


def test_a_run_waits_until_enough_rows_have_come() -> None:
    assert RULE.min_rows == 200
    assert runs(MUCH_BETTER, 150, 4) == [Run(0, "keep"), Run(300, "promote")] * 2
    assert runs(IDENTICAL, 50, 5) == [Run(0, "keep")] * 3 + [Run(200, "keep"), Run(250, "keep")]


def test_too_few_rows_are_refused_unless_the_pipeline_waits_for_them() -> None:
    assert outcome_of(RULE, None) == "refuse"
    assert outcome_of(RULE, None, waits_for_rows=True) == "keep"


def test_a_series_is_counted() -> None:
    promoted, once, series, waited = MonthlyRuns(150, 2, IDENTICAL).run(1, 0, 2)
    assert (promoted, once, series, waited) == (Share(0, 22), Share(0, 2), Share(0, 2), Share(2, 2))
    promoted, once, series, waited = MonthlyRuns(150, 2, MUCH_BETTER).run(1, 0, 2)
    assert (promoted, once, series, waited) == (Share(2, 2), Share(2, 2), Share(2, 2), Share(2, 2))


def test_equal_challengers_are_rarely_promoted_and_better_ones_mostly_found() -> None:
    equal, better = MonthlyRuns(200, 3, Rival()), MonthlyRuns(2000, 10, Rival(gain=0.01, correlation=0.99))
    found = simulate([equal, better], 1, quick=False, processes=1)
    promoted, *_ = found[equal]
    assert promoted.trials == 36
    assert promoted.hits <= 1  # 5 %
    assert found[better][1].hits >= 8  # at once


@pytest.mark.parametrize(
    ("cell", "shares", "expected"),
    [
        (MonthlyRuns(1000, 9, Rival()), [Share(6, 100), Share(0, 9), Share(4, 9), Share(0, 0)], "6.0% of equal"),
        (MonthlyRuns(1000, 9, Rival()), [Share(4, 100), Share(0, 9), Share(4, 9), Share(0, 0)], "up to 8.9% of equal"),
        (MonthlyRuns(5000, 9, Rival(gain=0.01)), [Share(7, 9), Share(7, 9), Share(9, 9), Share(0, 0)], "77.8% found"),
        (MonthlyRuns(150, 9, Rival(gain=0.01)), [Share(0, 9), Share(0, 9), Share(0, 9), Share(8, 9)], "8 of 9 runs"),
    ],
    ids=["share", "bound", "not found", "not kept"],
)
def test_a_missed_figure_is_named(cell: MonthlyRuns, shares: list[Share], expected: str) -> None:
    assert expected in missed_months({cell: shares})[0]


def test_correlations_are_pooled_for_the_bound() -> None:
    shares = [Share(4, 200), Share(0, 9), Share(4, 9), Share(0, 0)]
    cells = [MonthlyRuns(1000, 9, Rival(correlation=correlation)) for correlation in (0.95, 0.99)]
    assert missed_months(dict.fromkeys(cells, shares)) == []
