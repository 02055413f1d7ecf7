"""What is simulated: which kinds of challengers and tables, at which sizes, how often."""

from __future__ import annotations

from dataclasses import replace

from bench.simulation.drift import Drifting
from bench.simulation.experiments import GAIN, RATE, Comparison, Ratio
from bench.simulation.freshness import NotWorse, Year
from bench.simulation.models import Rival
from bench.simulation.months import MONTHS, MonthlyRuns
from bench.simulation.promotion import Promotion
from bench.simulation.retraining import SOON, WEEKS, Looks

SIZES = (500, 1_000, 2_000, 5_000, 20_000)
GAINS = (-0.02, -0.01, 0.0, 0.005, 0.01, 0.02, 0.03)
TRIALS = {500: 1000, 1_000: 800, 2_000: 500, 5_000: 300, 20_000: 100}
"""For an equal challenger, on which the share of wrong promotions hangs."""
OTHER_TRIALS = {500: 100, 1_000: 100, 2_000: 60, 5_000: 30, 20_000: 12}
SPECIAL = {
    "equal, retrained": Rival(correlation=0.99),
    "equal, nearly the same": Rival(correlation=0.9999),
    "equal, rounded": Rival(decimals=1),
    "equal, other in 6 rows": Rival(few_rows=6),
    "identical": Rival(few_rows=0),
    "+0.01, retrained": Rival(gain=0.01, correlation=0.99),
}
SPECIAL_SIZES, SPECIAL_TRIALS = (500, 2_000), {500: 300, 2_000: 60}
BEST_OF, BEST_ROWS, BEST_TRIALS = 3, 1_000, 500
MONTHLY_CORRELATIONS = (0.95, 0.99)
MONTHLY_SERIES = {
    0.0: {5_000: 20, 1_000: 50, 150: 30},
    0.005: {5_000: 30, 1_000: 30, 150: 20},
    0.01: {5_000: 60, 1_000: 40, 150: 20},
}
"""By true gain and new rows a month. The longest come first, so that no process waits for another's last series."""
NOT_WORSE_LOSSES = {0.0: 100, 0.5: 100, 1.0: 300, 1.5: 100}
"""True losses in margins; the error hangs on 1, beyond which it falls."""
NOT_WORSE_SIZES = {500: 1.0, 2_000: 0.5}
"""Test rows, and how many of the trials."""
YEARS = {500: 40, 1_000: 24}
"""Years of each kind by new rows a week."""
STABLE_YEARS = {(5_000, 5_000): 1_000, (1_000, 1_000): 400, (5_000, 500): 300}
"""Years by test rows and labelled rows a week."""
DROPS = {0.01: 50, 0.02: 50, 0.03: 300, 0.05: 50}
DROP_SIZES = ((5_000, 5_000), (1_000, 1_000))
"""Test rows and labelled rows a week."""
EQUAL_SIZES = {200: 100, 500: 60, 1_000: 60, 5_000: 40, 20_000: 40, 100_000: 20, 1_000_000: 5}
UNEQUAL_SIZES = {(7_000, 200): 60, (1_000, 20_000): 40, (1_000_000, 1_000): 10}
SHIFTS = (0.1, 0.25, 0.5)
SHARE_OF_SHIFTED = 0.3
EXPERIMENTS = (
    Comparison(0, 4000), Comparison(0, 3000, rate=0.05), Comparison(0, 3000, rate=0.01),
    Comparison(0, 3000, units=2_000),
    Comparison(0, 3000, split=0.1), Comparison(0, 3000, values="amount"), Comparison(GAIN, 1000), Comparison(0.02, 500),
    Comparison(GAIN, 500, units=4_000),
)  # fmt: skip
RATIOS = (
    Ratio(0.5, 0.5, 10_000),
    Ratio(0.1, 0.1, 10_000),
    Ratio(0.5, 0.52, 500),
    Ratio(0.5, 0.53, 500),
    Ratio(0.1, 0.12, 500),
)
QUICK_ROWS, QUICK_SHARE, QUICK_TRIALS = 2_000, 0.05, 10


def promotions(*, quick: bool) -> list[Promotion]:
    """Every kind of challenger at every size."""
    plain = [
        Promotion(f"{gain:+.3f}", rows, (TRIALS if gain == 0 else OTHER_TRIALS)[rows], Rival(gain=gain))
        for gain in GAINS
        for rows in SIZES
    ]
    special = [
        Promotion(name, rows, SPECIAL_TRIALS[rows], rival) for name, rival in SPECIAL.items() for rows in SPECIAL_SIZES
    ]
    return [cell for cell in (*plain, *special, *best_of()) if not quick or cell.rows <= QUICK_ROWS]


def best_of() -> list[Promotion]:
    """The best of several equal ones, chosen on rows of its own and, for contrast, on those that it is judged on."""
    return [
        Promotion(f"best of {BEST_OF} on {rows} rows", BEST_ROWS, BEST_TRIALS, Rival(), BEST_OF, rows)
        for rows in ("validation", "test")
    ]


def monthly_runs(*, quick: bool) -> list[MonthlyRuns]:
    """Every true gain at every number of new rows a month, for both kinds of challengers."""
    cells = [
        MonthlyRuns(rows, series, Rival(gain=gain, correlation=correlation))
        for gain, sizes in MONTHLY_SERIES.items()
        for rows, series in sizes.items()
        for correlation in MONTHLY_CORRELATIONS
    ]
    return [cell for cell in cells if not quick or cell.rows * MONTHS <= QUICK_ROWS]


def freshness(*, quick: bool) -> list[NotWorse | Year]:
    """Challengers of every true loss, and years of every kind; the longest come first."""
    years = [
        Year(kind, rows, trials)
        for rows, trials in sorted(YEARS.items(), reverse=True)
        for kind in ("equal", "sinking", "just worse", "sinking, production only")
    ]
    cells = [
        NotWorse(loss, rows, round(trials * part))
        for loss, trials in NOT_WORSE_LOSSES.items()
        for rows, part in NOT_WORSE_SIZES.items()
    ]
    few = [replace(cell, few_rows=True) for cell in cells if cell.loss == 1]
    return [*cells, *few] if quick else [*years, *cells, *few]


def retrainings(*, quick: bool) -> list[Looks]:
    """Stable years, and versions that have become worse."""
    stable = [Looks(0.0, *sizes, WEEKS, years) for sizes, years in STABLE_YEARS.items()]
    worse = [Looks(drop, *sizes, SOON, trials) for drop, trials in DROPS.items() for sizes in DROP_SIZES]
    return [cell for cell in (*stable, *worse) if not quick or cell.reference_rows <= QUICK_ROWS]


def experiments(*, quick: bool) -> list[Comparison | Ratio]:
    """Experiments of every kind, and those whose units fall otherwise than asked for."""
    return [cell for cell in (*EXPERIMENTS, *RATIOS) if not quick or isinstance(cell, Ratio) or cell.rate == RATE]


def driftings(*, quick: bool) -> list[Drifting]:
    """Tables that have not moved, and those that have."""
    pairs = [*((rows, rows, trials) for rows, trials in EQUAL_SIZES.items())]
    pairs += [(reference, rows, trials) for (reference, rows), trials in UNEQUAL_SIZES.items()]
    cells = [Drifting(*pair) for pair in pairs]
    cells += [
        Drifting(reference, rows, max(3, round(trials * SHARE_OF_SHIFTED)), shift)
        for reference, rows, trials in pairs
        for shift in SHIFTS
    ]
    return [cell for cell in cells if not quick or max(cell.rows, cell.reference_rows) <= QUICK_ROWS]


def fewer(trials: int, *, quick: bool) -> int:
    """How many trials of a cell are run."""
    return min(trials, max(QUICK_TRIALS, round(trials * QUICK_SHARE))) if quick else trials
