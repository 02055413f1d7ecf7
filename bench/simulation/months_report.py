"""Tables of `docs/simulation.md` for monthly runs, and the figures that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.report import WRONG_PROMOTIONS, as_table, of_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.months import MonthlyRuns
    from bench.simulation.share import Share

    Found = Mapping[MonthlyRuns, list[Share]]

BOTH = "both"
FOUND_AT_ONCE, GOAL_GAIN, GOAL_ROWS = 0.8, 0.01, 5_000
"""The share of challengers with a gain that the first comparison on so many rows has to find."""


def equal_table(found: Found) -> str:
    """One line per number of new rows a month and correlation, and one for both correlations."""
    head = (
        "new rows a month",
        "correlation",
        "comparisons",
        "promoted",
        "share",
        "± error",
        "95 % upper bound",
        "too few rows: kept",
        "series",
        "with a promotion",
        "share",
        "± error",
        "95 % upper bound",
    )
    equal = _equal(found)
    lines = [(cell.rows, f"{cell.rival.correlation:g}", shares) for cell, shares in equal.items()]
    lines += [(rows, BOTH, shares) for rows, shares in pooled(equal).items()]
    return as_table(
        head,
        [
            (
                f"{rows:,}",
                correlation,
                *_counts(promoted),
                *of_share(promoted),
                _of(waited),
                *_counts(series),
                *of_share(series),
            )
            for rows, correlation, (promoted, _, series, waited) in sorted(lines, key=lambda line: line[:2])
        ],
    )


def better_table(found: Found) -> str:
    """One line per true gain, number of new rows a month and correlation."""
    head = (
        "true gain",
        "new rows a month",
        "correlation",
        "series",
        "found at once",
        "share",
        "± error",
        "95 % lower bound",
        "found in 12 months",
        "share",
        "± error",
        "95 % lower bound",
        "too few rows: kept",
    )
    better = sorted(
        (cell.rival.gain, cell.rows, cell.rival.correlation, shares)
        for cell, shares in found.items()
        if cell.rival.gain > 0
    )
    return as_table(
        head,
        [
            (
                f"{gain:+.3f}",
                f"{rows:,}",
                f"{correlation:g}",
                f"{once.trials}",
                *_power(once),
                *_power(series),
                _of(waited),
            )
            for gain, rows, correlation, (_, once, series, waited) in better
        ],
    )


def pooled(equal: Found) -> dict[int, list[Share]]:
    """The shares of equal challengers by new rows a month, all correlations together."""
    sums: dict[int, list[Share]] = {}
    for cell, shares in equal.items():
        before = sums.get(cell.rows)
        sums[cell.rows] = [old + new for old, new in zip(before, shares, strict=True)] if before else shares
    return sums


def missed_months(found: Found) -> list[str]:
    """One line per figure that is missed: wrong promotions, gains that are not found, runs that do not wait."""
    equal = _equal(found)
    lines = [
        f"{_name(cell)}: {promoted.value:.1%} of equal challengers promoted, at most {WRONG_PROMOTIONS:.0%} may be"
        for cell, (promoted, *_) in equal.items()
        if promoted.value > WRONG_PROMOTIONS
    ]
    lines += [
        f"{rows:,} rows a month: up to {promoted.upper:.1%} of equal ones promoted, at most {WRONG_PROMOTIONS:.0%}"
        for rows, (promoted, *_) in pooled(equal).items()
        if promoted.upper > WRONG_PROMOTIONS
    ]
    lines += [
        f"{_name(cell)}: {once.value:.1%} found at once, at least {FOUND_AT_ONCE:.0%} have to be"
        for cell, (_, once, *_) in found.items()
        if (cell.rival.gain, cell.rows) == (GOAL_GAIN, GOAL_ROWS) and once.value < FOUND_AT_ONCE
    ]
    return lines + [
        f"{_name(cell)}: {_of(waited)} runs with too few rows were kept, all have to be"
        for cell, (*_, waited) in found.items()
        if waited.hits != waited.trials
    ]


def _equal(found: Found) -> Found:
    return {cell: shares for cell, shares in found.items() if cell.rival.gain == 0}


def _name(cell: MonthlyRuns) -> str:
    return f"{cell.rival.gain:+.3f}, correlation {cell.rival.correlation:g}, {cell.rows:,} rows a month"


def _counts(share: Share) -> tuple[str, str]:
    return f"{share.trials:,}", f"{share.hits:,}"


def _of(share: Share) -> str:
    return f"{share.hits} of {share.trials}"


def _power(share: Share) -> tuple[str, str, str, str]:
    return f"{share.hits}", f"{share.value:.1%}", f"{share.error:.1%}", f"{share.lower:.1%}"
