"""Tables of `docs/simulation.md` for experiments, and the figures that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.experiments import ARM_UNITS, GAIN, Comparison, Ratio
from bench.simulation.report import as_table, of_share
from trainer.experiments.confidence_sequence import ALPHA
from trainer.experiments.sample_ratio import ALPHA as RATIO_ALPHA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.share import Share

    Found = Mapping[Comparison | Ratio, list[Share]]

POWER = 0.8
ENOUGH = 100
"""Experiments; a quick simulation of fewer has bounds that say nothing."""


def winners_table(found: Found) -> str:
    """One line per true difference and kind of outcomes."""
    head = (
        "outcomes", "true difference", "share of B", "units", "experiments", "winners", "false winners", "share",
        "± error", "95 % upper bound",
    )  # fmt: skip
    return as_table(
        head,
        [
            (
                _outcomes(cell), f"{cell.difference:g}", f"{cell.split:g}", f"{cell.units:,}", f"{named.trials:,}",
                f"{named.value:.1%}", f"{wrong.hits}", *of_share(wrong),
            )
            for cell, (named, wrong) in _comparisons(found).items()
        ],
    )  # fmt: skip


def ratio_table(found: Found) -> str:
    """One line per share asked for and true share."""
    head = (
        "share of B asked for",
        "true share",
        "units",
        "experiments",
        "alarms",
        "share",
        "± error",
        "95 % upper bound",
    )
    return as_table(
        head,
        [
            (
                f"{cell.asked:g}", f"{cell.true:g}", f"{cell.units:,}", f"{alarms.trials:,}", f"{alarms.hits}",
                f"{alarms.value:.2%}", f"{alarms.error:.2%}", f"{alarms.upper:.2%}",
            )
            for cell, (alarms, *_) in _ratios(found).items()
        ],
    )  # fmt: skip


def missed_experiments(found: Found) -> list[str]:
    """One line per figure that is missed: false winners, differences that are not found, false alarms."""
    lines = [
        f"{_outcomes(cell)}, {cell.units:,} units: {wrong.value:.1%} false winners (upper bound {wrong.upper:.1%}), at "
        f"most {ALPHA:.0%} may be"
        for cell, (_, wrong) in _comparisons(found).items()
        if wrong.upper > ALPHA and wrong.trials >= ENOUGH
    ]
    lines += [
        f"{_outcomes(cell)}: a difference of {cell.difference:g} is found in {named.value:.1%} (lower bound "
        f"{named.lower:.1%}), at least {POWER:.0%} have to be"
        for cell, (named, _) in _comparisons(found).items()
        if (cell.difference, cell.units) == (GAIN, 2 * ARM_UNITS) and named.lower < POWER and named.trials >= ENOUGH
    ]
    return lines + [
        f"share of B {cell.asked:g}: {alarms.value:.2%} false alarms, at most {RATIO_ALPHA:.1%} may be"
        for cell, (alarms, *_) in _ratios(found).items()
        if cell.asked == cell.true and alarms.lower > RATIO_ALPHA
    ]


def _comparisons(found: Found) -> dict[Comparison, list[Share]]:
    return {cell: shares for cell, shares in found.items() if isinstance(cell, Comparison)}


def _ratios(found: Found) -> dict[Ratio, list[Share]]:
    return {cell: shares for cell, shares in found.items() if isinstance(cell, Ratio)}


def _outcomes(cell: Comparison) -> str:
    return f"rate of {cell.rate:g}" if cell.values == "rate" else "amounts"
