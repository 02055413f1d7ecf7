"""How pictures look, and how they are kept: as PNG, and as an SVG that takes the colours of the page around it."""

from __future__ import annotations

import contextlib
import html
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.process.ignored_warning import ignored_warning
from trainer.run.records import Plot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder

PAPER, INK, SOFT, LINE = "#ffffff", "#1d2228", "#59636e", "#dde1e6"
FIRST, SECOND = "#0072b2", "#d55e00"
"""The challenger's and production's colour; told apart by the colour-blind as well (Okabe and Ito 2008)."""
COLOURS = {"paper": PAPER, "ink": INK, "soft": SOFT, "line": LINE, "first": FIRST, "second": SECOND}
WIDTH, HEIGHT = 4.8, 3.6
"""Inches, in which ten points can be read at half a page's width and on a phone."""
PIXELS_PER_INCH = 160
LONGEST_LABEL = 26

STYLE: Any = {
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.labelsize": 10, "axes.linewidth": 0.8,
    "axes.spines.right": False, "axes.spines.top": False, "axes.titlecolor": INK, "axes.titlelocation": "left",
    "axes.titlesize": 11, "axes.titleweight": "bold", "figure.constrained_layout.use": True, "figure.facecolor": PAPER,
    "font.family": "sans-serif", "font.size": 10, "grid.color": LINE, "grid.linewidth": 0.8, "legend.frameon": False,
    "legend.labelcolor": INK, "lines.linewidth": 2, "savefig.dpi": PIXELS_PER_INCH, "svg.fonttype": "none",
    "svg.hashsalt": "trainer", "text.color": INK, "text.parse_math": False, "xtick.color": SOFT,
    "xtick.labelcolor": INK, "xtick.labelsize": 9, "ytick.color": SOFT, "ytick.labelcolor": INK, "ytick.labelsize": 9,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, what it says, and what it shows in words."""

    name: str
    title: str
    alt: str
    figure: Any


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Everything drawn and kept inside the block looks alike."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def figure(
    title: str, width: float = WIDTH, height: float = HEIGHT, panels: int = 1, lines: int = 1
) -> tuple[Any, Any]:
    """An empty figure with one panel, or an array of panels side by side, in lines; drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height))
    FigureCanvasAgg(made)
    made.suptitle(wrapped(title, width), x=0.01, ha="left", fontsize=11, fontweight="bold")
    return made, made.subplots(lines, panels)


def wrapped(title: str, width: float) -> str:
    """A title in lines that fit a figure of a width in inches."""
    return "\n".join(textwrap.wrap(title, int(width * 10.8)))


def short(label: object) -> str:
    """A label that leaves room for the picture."""
    text = " ".join(str(label).split())
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def keep(run: RunFolder, drawing: Drawing) -> Plot:
    """Write a drawing as `{name}.png` and `{name}.svg` into a step's folder; only the PNG bears its title."""
    with ignored_warning(r"Glyph \d+"):  # a label in a script that the font lacks is drawn as boxes
        with run.staged(f"{drawing.name}.png") as file:
            drawing.figure.savefig(file, format="png", metadata={"Software": None})
        drawing.figure.suptitle("")
        with run.staged(f"{drawing.name}.svg") as file:
            drawing.figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(METADATA))
            file.write_text(themed(file.read_text(encoding="utf-8"), drawing), encoding="utf-8")
    return Plot(name=drawing.name, title=drawing.title, alt=drawing.alt, file=run.uri_of(f"{drawing.name}.png"))


METADATA = ("Creator", "Date", "Format", "Type")


def themed(svg: str, drawing: Drawing) -> str:
    """An SVG to stand inside a page: its own ids, the page's colours and letters, and a text for screen readers."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{drawing.name}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{drawing.name}-", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    size = re.search(r'viewBox="[^"]+"', svg)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size[0] if size else ""}'
    )
    described = f'{head} role="img" aria-label="{html.escape(drawing.alt)}" style="stroke-linejoin: round"'
    return re.sub(r"<svg[^>]*", lambda _: described, svg, count=1)
