"""Tables of `docs/simulation.md` for the rule `not_worse`, and the figures that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.simulation.freshness import NotWorse, Year
from bench.simulation.report import WRONG_PROMOTIONS, as_table, of_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.simulation.share import Share

    Found = Mapping[NotWorse | Year, list[Share]]

CONTRAST: Final = "sinking, production only"


def comparison_table(found: Found) -> str:
    """One line per true loss, number of test rows and kind of challenger."""
    head = (
        "true loss in margins", "test rows", "correlation", "challengers", "bound against production", "promoted",
        "share", "± error", "95 % upper bound",
    )  # fmt: skip
    return as_table(
        head,
        [
            (
                f"{cell.loss:g}", f"{cell.rows:,}", _likeness(cell), f"{promoted.trials:,}", f"{passed.value:.1%}",
                f"{promoted.hits:,}", *of_share(promoted),
            )
            for cell, (promoted, passed) in _comparisons(found).items()
        ],
    )  # fmt: skip


def year_table(found: Found) -> str:
    """One line per kind of challenger and number of rows a week."""
    head = (
        "challengers", "new rows a week", "years", "promoted a year", "beyond the margin", "share", "± error",
        "95 % upper bound", "beyond twice the margin",
    )  # fmt: skip
    return as_table(
        head,
        [
            (
                cell.kind, f"{cell.rows:,}", f"{beyond.trials}", f"{promoted.hits / beyond.trials:.1f}",
                f"{beyond.hits}", *of_share(beyond), f"{twice.hits}",
            )
            for cell, (promoted, beyond, twice) in _years(found).items()
        ],
    )  # fmt: skip


def pooled(years: Iterable[tuple[Year, list[Share]]]) -> dict[int, Share]:
    """Years beyond the margin by rows a week, all kinds of challengers together but the contrast."""
    sums: dict[int, Share] = {}
    for cell, (_, beyond, _) in years:
        if cell.kind != CONTRAST:
            sums[cell.rows] = sums[cell.rows] + beyond if cell.rows in sums else beyond
    return sums


def missed_freshness(found: Found) -> list[str]:
    """One line per figure that is missed: wrong promotions, and years beyond the margin."""
    lines = [
        f"{_name(cell)}: {share.value:.1%} {said}, at most {WRONG_PROMOTIONS:.0%} may be"
        for cell, (promoted, passed) in _comparisons(found).items()
        if cell.loss >= 1
        for share, said in ((promoted, "promoted"), (passed, "passed against production"))
        if share.value > WRONG_PROMOTIONS and (share is promoted or not cell.few_rows)
    ]
    lines += [
        f"{cell.kind}, {cell.rows:,} rows a week: {beyond.value:.1%} of years beyond the margin, at most "
        f"{WRONG_PROMOTIONS:.0%} may be"
        for cell, (_, beyond, _) in _years(found).items()
        if cell.kind != CONTRAST and beyond.value > WRONG_PROMOTIONS
    ]
    return lines + [
        f"{rows:,} rows a week: up to {beyond.upper:.1%} of years beyond the margin, at most {WRONG_PROMOTIONS:.0%}"
        for rows, beyond in pooled(_years(found).items()).items()
        if beyond.upper > WRONG_PROMOTIONS
    ]


def _comparisons(found: Found) -> dict[NotWorse, list[Share]]:
    return {cell: shares for cell, shares in found.items() if isinstance(cell, NotWorse)}


def _years(found: Found) -> dict[Year, list[Share]]:
    return {cell: shares for cell, shares in found.items() if isinstance(cell, Year)}


def _likeness(cell: NotWorse) -> str:
    return "other in few rows" if cell.few_rows else f"{cell.correlation:g}"


def _name(cell: NotWorse) -> str:
    return f"a loss of {cell.loss:g} margins, {cell.rows:,} rows, {_likeness(cell)}"
