"""Figures as a person reads them."""

from __future__ import annotations

WHOLE_FROM = 1000
"""From here on a figure is shown without decimals."""


def number_text(value: float | None, sign: str = "") -> str:
    """A figure with four digits that count, such as `0.8451` or `45,032`; a dash for none. `+` shows the sign."""
    if value is None:
        return "–"  # noqa: RUF001  (a dash, as tables have it)
    return f"{value:{sign},.0f}" if abs(value) >= WHOLE_FROM else f"{value:{sign}.4g}"
