"""The picture of an experiment: the interval at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.plots.drawing import FIRST, SOFT, WIDTH, Drawing, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.analysis import Look


def interval_drawing(looks: Sequence[Look]) -> Drawing | None:
    """Return the interval for the difference of means, look after look; None if no look has one."""
    shown = [(look.days, look.interval) for look in looks if look.interval is not None]
    if not shown:
        return None
    made, panel = figure("Mean of B minus mean of A, with its interval at every look", width=1.6 * WIDTH)
    for days, interval in shown:
        panel.plot([days, days], [interval.lower, interval.upper], color=FIRST)
        panel.plot([days], [(interval.lower + interval.upper) / 2], "o", color=FIRST)
    panel.axhline(0, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    panel.set(xlabel="days since the start", ylabel="B - A", xlim=(0, max(1.0, 1.05 * shown[-1][0])))
    panel.grid(visible=True, axis="y")
    said = "; ".join(f"day {days:.1f}: {interval.lower:.4g} to {interval.upper:.4g}" for days, interval in shown)
    title = "Points: mean of B minus mean of A; lines: the interval, which holds at all looks at once"
    return Drawing("interval_by_look", title, f"B - A by look: {said}", made)
