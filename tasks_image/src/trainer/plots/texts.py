"""Pictures of texts: how well each document is predicted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainer.number_format import number_text
from trainer.plots.drawing import FIRST, SECOND, WIDTH, Drawing, figure, short

if TYPE_CHECKING:
    from trainer.problems.predictions import Predictions
    from trainer.run.records import Importance

MOST_DOCUMENTS, ROW_HEIGHT = 12, 0.27


def bits_drawing(target: str, challenger: Predictions, production: Predictions | None) -> Drawing:
    """Bits per byte of each test document, by its size."""
    import numpy as np

    ours = _bits(challenger)
    half, most = map(number_text, np.quantile(ours, [0.5, 0.9]))
    title = f"Half of the documents take {half} bits per byte or fewer, nine in ten {most}"
    made, panel = figure(title, width=1.3 * WIDTH)
    sides = [("challenger", challenger, FIRST), *([("production", production, SECOND)] if production else [])]
    for name, side, colour in sides:
        panel.plot(
            side.truth, _bits(side), ".", color=colour, alpha=0.6, label=name, markeredgewidth=0, rasterized=True
        )
    panel.set_xscale("log")
    panel.set(xlabel=f"bytes of {target}", ylabel="bits per byte")
    panel.grid(visible=True)
    panel.set_axisbelow(True)
    if production:
        panel.legend(loc="upper right")
    alt = f"{title}; of {ours.size:,} test documents, from {number_text(ours.min())} to {number_text(ours.max())}."
    return Drawing("bits_per_byte", title, alt, made)


def worst_drawing(importance: list[Importance]) -> Drawing:
    """The documents that take the most bits per byte, as bars."""
    shown = importance[:MOST_DOCUMENTS]
    first = shown[0]
    title = f"{short(first.column)} is predicted worst, at {number_text(first.value)} bits per byte"
    made, panel = figure(title, height=1.1 + ROW_HEIGHT * len(shown))
    panel.barh(range(len(shown)), [one.value for one in shown], height=0.66, color=FIRST)
    panel.set_yticks(range(len(shown)), [short(one.column) for one in shown])
    panel.invert_yaxis()
    panel.set_xlabel("bits per byte")
    panel.grid(visible=True, axis="x")
    panel.set_axisbelow(True)
    told = ", ".join(f"{one.column} {number_text(one.value)}" for one in shown)
    return Drawing("worst_documents", title, f"Documents that take the most bits per byte: {told}.", made)


def _bits(predictions: Predictions) -> Any:
    return -predictions.predicted / (math.log(2) * predictions.truth)
