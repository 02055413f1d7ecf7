"""Pictures of what a model's answers rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.plots.drawing import FIRST, INK, LINE, SECOND, SOFT, Drawing, figure, short

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trainer.evaluation.tree_shap import Contributions
    from trainer.run.records import Importance

    Array = NDArray[Any]

MOST_COLUMNS = 12
ROW_HEIGHT = 0.27
SEED = 42


def importance_drawing(importance: list[Importance], unit: str) -> Drawing:
    """The first columns as bars."""
    shown = importance[:MOST_COLUMNS]
    first = shown[0]
    title = f"{short(first.column)} counts most: {first.share:.0%} of all columns together"
    made, panel = figure(title, height=1.1 + ROW_HEIGHT * len(shown))
    places = range(len(shown))
    panel.barh(places, [one.value for one in shown], height=0.66, color=FIRST)
    panel.set_yticks(places, [short(one.column) for one in shown])
    panel.invert_yaxis()
    panel.set_xlabel(unit)
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=True, axis="x")
    panel.set_axisbelow(True)
    rest = len(importance) - len(shown)
    alt = f"Importance of columns, {unit}: " + ", ".join(f"{one.column} {one.value:.4g}" for one in shown)
    return Drawing("feature_importance", title, alt + (f"; and {rest} more." if rest else "."), made)


def shap_drawing(found: Contributions, rows: pl.DataFrame, importance: list[Importance], answer: str) -> Drawing:
    """A point for each row and column: how far the column moves the answer, coloured by the column's value."""
    from matplotlib.colors import LinearSegmentedColormap

    shown = [one.column for one in importance[:MOST_COLUMNS]]
    low, high = (float(end) for end in (found.values[shown[0]].min(), found.values[shown[0]].max()))
    title = f"{short(shown[0])} moves {answer} by {_signed(low)} to {_signed(high)}"
    made, panel = figure(title, height=1.5 + ROW_HEIGHT * len(shown))
    colours = LinearSegmentedColormap.from_list("low to high", [FIRST, "#9a9aa0", SECOND])
    for place, name in enumerate(shown):
        values, heights = found.values[name], _spread(found.values[name], place)
        scaled = _ranks(rows[name])
        colour = {"color": SOFT} if scaled is None else {"c": scaled, "cmap": colours, "vmin": 0, "vmax": 1}
        panel.scatter(values, heights, s=7, linewidths=0, alpha=0.85, rasterized=True, **colour)
    panel.axvline(0, color=LINE, linewidth=1, zorder=0)
    panel.set_yticks(range(len(shown)), [short(name) for name in shown])
    panel.set(ylim=(len(shown) - 0.5, -0.5), xlabel=f"SHAP value ({found.unit})")
    panel.tick_params(axis="y", length=0)
    _key(made, panel, colours)
    alt = f"SHAP values of {len(rows):,} validation rows in {found.unit}, from lowest to highest: " + ", ".join(
        f"{name} {_signed(found.values[name].min())} to {_signed(found.values[name].max())}" for name in shown
    )
    return Drawing("shap_summary", title, f"{alt}.", made)


def _signed(value: float) -> str:
    """Two digits that count, and whole numbers from a hundred on."""
    return f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.2g}"  # noqa: PLR2004


def _spread(values: Array, place: int) -> Array:
    """Heights around a line, the wider the more values lie close together."""
    import numpy as np

    random = np.random.default_rng(SEED)
    counts, edges = np.histogram(values, bins=50)
    density = counts[np.clip(np.digitize(values, edges) - 1, 0, counts.size - 1)] / max(counts.max(), 1)
    heights: Array = place + 0.38 * density * random.uniform(-1, 1, values.size)
    return heights


def _ranks(values: pl.Series) -> Array | None:
    """Numbers as shares of the rows that have less, missing ones in the middle; None for texts, which have no order."""
    if not (values.dtype.is_numeric() or str(values.dtype) == "Boolean"):
        return None
    ranks = values.cast(float).fill_nan(None).rank("average")
    return ((ranks - 1) / max(len(values) - 1, 1)).fill_null(0.5).to_numpy()


def _key(made: Any, panel: Any, colours: Any) -> None:
    from matplotlib.cm import ScalarMappable

    bar = made.colorbar(
        ScalarMappable(cmap=colours), ax=panel, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02
    )
    bar.set_ticks([0, 1], labels=["low value", "high value"])
    bar.set_label("grey: a text, which is neither", fontsize=9, color=SOFT)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9, labelcolor=INK)
