"""Tables of `docs/simulation.md` for retraining, and the figures that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.report import as_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.retraining import Looks
    from bench.simulation.share import Share

    Found = Mapping[Looks, list[Share]]

FALSE_STARTS, FOUND_SOON = 0.05, 0.8
FOUND_DROP, FOUND_ROWS = 0.03, 5_000


def stable_table(found: Found) -> str:
    """One line per number of rows: years in which a training run is started although nothing has changed."""
    head = (
        "test rows", "labelled rows a week", "years", "with a training run", "share", "± error", "95 % upper bound",
        "looks that reach the limit",
    )  # fmt: skip
    return as_table(
        head,
        [
            (
                *_sizes(cell), f"{started.trials:,}", f"{started.hits:,}", f"{started.value:.1%}",
                f"{started.error:.1%}", f"{started.upper:.1%}", f"{large.value:.2%}",
            )
            for cell, (started, large) in found.items()
            if not cell.drop
        ],
    )  # fmt: skip


def drop_table(found: Found) -> str:
    """One line per drop and number of rows: how often a training run is started within the first looks."""
    head = (
        "true drop", "test rows", "labelled rows a week", "drops", "found", "share", "± error", "95 % lower bound",
        "looks that reach the limit",
    )  # fmt: skip
    return as_table(
        head,
        [
            (
                f"{cell.drop:g}", *_sizes(cell), f"{started.trials:,}", f"{started.hits:,}", f"{started.value:.1%}",
                f"{started.error:.1%}", f"{started.lower:.1%}", f"{large.value:.1%}",
            )
            for cell, (started, large) in found.items()
            if cell.drop
        ],
    )  # fmt: skip


def missed_retraining(found: Found) -> list[str]:
    """One line per figure that is missed: years that start by chance, and drops that are not found."""
    lines = [
        f"{' test rows, '.join(_sizes(cell))} rows a week: {started.value:.1%}, up to {started.upper:.1%} of stable "
        f"years start a training run, at most {FALSE_STARTS:.0%} may"
        for cell, (started, _) in found.items()
        if not cell.drop
        if (started.upper if cell.rows == FOUND_ROWS else started.value) > FALSE_STARTS
    ]
    return lines + [
        f"a drop of {cell.drop:g}: {started.value:.1%} found, at the least {started.lower:.1%}; {FOUND_SOON:.0%} are "
        "asked for"
        for cell, (started, _) in found.items()
        if (cell.drop, cell.reference_rows, cell.rows) == (FOUND_DROP, FOUND_ROWS, FOUND_ROWS)
        and started.lower < FOUND_SOON
    ]


def _sizes(cell: Looks) -> tuple[str, str]:
    return f"{cell.reference_rows:,}", f"{cell.rows:,}"
