"""Tables of `docs/simulation.md` for promotions and drift, and the figures that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.columns import COLUMNS
from bench.simulation.share import Share, at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bench.simulation.drift import Drifting
    from bench.simulation.promotion import Promotion

WRONG_PROMOTIONS, FALSE_ALARMS = 0.05, 0.01
TEST_ROWS_CHOICE = "test"


def promotion_table(found: Mapping[Promotion, list[Share]]) -> str:
    """One line per kind of challenger and size."""
    head = ("true gain", "test rows", "challengers", "promoted", "share", "± error", "95 % upper bound")
    return as_table(
        head,
        [
            (cell.name, f"{cell.rows:,}", f"{share.trials:,}", f"{share.hits:,}", *of_share(share))
            for cell, (share,) in found.items()
        ],
    )


def worse_or_equal(found: Mapping[Promotion, list[Share]]) -> dict[int, Share]:
    """By test rows: promoted of all that are truly worse or equal, the contrast that no run does left out."""
    sums: dict[int, Share] = {}
    for cell, (share,) in found.items():
        if cell.rival.gain <= 0 and cell.chosen_on != TEST_ROWS_CHOICE:
            sums[cell.rows] = sums[cell.rows] + share if cell.rows in sums else share
    return sums


def pooled_table(found: Mapping[Promotion, list[Share]]) -> str:
    """One line per size."""
    head = ("test rows", "worse or equal", "promoted", "share", "± error", "95 % upper bound")
    rows = [(f"{size:,}", f"{s.trials:,}", f"{s.hits:,}", *of_share(s)) for size, s in worse_or_equal(found).items()]
    return as_table(head, rows)


def drift_tables(found: Mapping[Drifting, list[Share]], share: float) -> tuple[str, str]:
    """False alarms, and what is found of shifts."""
    head = (
        "reference rows",
        "rows",
        "shift",
        "data sets",
        "drifted",
        "numbers found",
        "categories found",
        "alarm bound",
    )
    lines = [
        (
            f"{cell.reference_rows:,}",
            f"{cell.rows:,}",
            f"{cell.shift:g}",
            f"{data.trials}",
            f"{data.value:.1%}",
            f"{numbers.value:.2%}",
            f"{categories.value:.2%}",
            f"{alarm_bound(numbers + categories, share):.1e}",
        )
        for cell, (data, numbers, categories) in found.items()
    ]
    moved = [line[:-1] for line in lines if line[2] != "0"]
    return as_table(head, [line for line in lines if line[2] == "0"]), as_table(head[:-1], moved)


def alarm_bound(columns: Share, share: float) -> float:
    """The probability of a false alarm per data set at the upper bound of the columns' share: they are independent."""
    needed = next(count for count in range(1, len(COLUMNS) + 1) if count / len(COLUMNS) >= share)
    return at_least(needed, len(COLUMNS), columns.upper)


def missed_promotions(found: Mapping[Promotion, list[Share]]) -> list[str]:
    """One line per figure that is missed: of each kind the share, of each size the bound."""
    lines = [
        f"{cell.name}, {cell.rows:,} rows: {share.value:.1%} promoted, at most {WRONG_PROMOTIONS:.0%} may be"
        for cell, (share,) in found.items()
        if cell.rival.gain <= 0 and cell.chosen_on != TEST_ROWS_CHOICE and share.value > WRONG_PROMOTIONS
    ]
    return lines + [
        f"{size:,} rows: up to {pooled.upper:.1%} of worse or equal models promoted, at most {WRONG_PROMOTIONS:.0%}"
        for size, pooled in worse_or_equal(found).items()
        if pooled.upper > WRONG_PROMOTIONS
    ]


def missed_alarms(found: Mapping[Drifting, list[Share]], share: float) -> list[str]:
    """One line per pair of sizes with too many false alarms."""
    return [
        f"{cell.reference_rows:,} and {cell.rows:,} rows: false alarms, at most {FALSE_ALARMS:.0%} may be"
        for cell, (data, numbers, categories) in found.items()
        if not cell.shift and max(data.value, alarm_bound(numbers + categories, share)) > FALSE_ALARMS
    ]


def of_share(share: Share) -> tuple[str, str, str]:
    """Value, error and upper bound as cells of a table."""
    return f"{share.value:.1%}", f"{share.error:.1%}", f"{share.upper:.1%}"


def as_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    line: Callable[[Iterable[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    head = tuple(head)
    return "\n".join([line(head), f"|{'---|' * len(head)}", *map(line, rows)])
