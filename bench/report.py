"""What is said of the figures: a table, the goals that were missed, and `results.json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.figure import Figure

HEAD = ("name", "value", "reference", "unit", "ratio", "goal", "")


def as_table(figures: list[Figure]) -> str:
    """One line per figure, then how each was measured."""
    rows = [HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *(f"{figure.name}: {figure.how}" for figure in figures)])


def missed_goals(figures: list[Figure]) -> list[str]:
    """One line per goal that was missed."""
    return [
        f"goal missed: {figure.name}: ratio {figure.ratio:.4g}, goal {figure.bound} "
        f"({figure.value:.4g} against {figure.reference:.4g} {figure.unit})"
        for figure in figures
        if not figure.met
    ]


def write_results(figures: list[Figure], file: Path) -> None:
    """Write the figures of this run, and no others, by name."""
    entries = {figure.name: figure.as_entry() for figure in figures}
    file.write_text(json.dumps(entries, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _row(figure: Figure) -> tuple[str, ...]:
    numbers = (f"{figure.value:.4g}", f"{figure.reference:.4g}", figure.unit, f"{figure.ratio:.3g}", figure.bound)
    return (figure.name, *numbers, "met" if figure.met else "MISSED")
