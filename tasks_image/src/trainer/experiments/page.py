"""The page of an experiment: the result, the interval at every look, and the units of each arm."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.experiments.confidence_sequence import ALPHA as LEVEL
from trainer.experiments.confidence_sequence import LEAST_OUTCOMES
from trainer.experiments.sample_ratio import ALPHA as RATIO_LEVEL
from trainer.reports.page import render_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.analysis import Look
    from trainer.experiments.records import Experiment, Outcome

STYLES = {"winner": "good", "none": "warn", "not enough": "warn", "mismatch": "bad"}


def render_experiment_page(experiment: Experiment, looks: Sequence[Look], result: Outcome) -> str:
    """Return one self-contained HTML page.

    :param looks: oldest first, at least one
    """
    return render_page(
        "experiment.html.j2",
        experiment=experiment,
        result=result,
        style=STYLES[result.verdict],
        looks=looks,
        picture=_picture(looks),
        started=_time(experiment.started_at),
        ended=_time(experiment.ended_at) if experiment.ended_at else "",
        level=LEVEL,
        ratio_level=RATIO_LEVEL,
        least=LEAST_OUTCOMES,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _picture(looks: Sequence[Look]) -> tuple[str, str] | None:
    """Return the title and the SVG of the intervals, or None if there are none."""
    from trainer.plots.drawing import style, themed
    from trainer.plots.experiments import interval_drawing

    with style():
        drawing = interval_drawing(looks)
        if drawing is None:
            return None
        drawing.figure.suptitle("")
        file = io.StringIO()
        drawing.figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return drawing.title, themed(file.getvalue(), drawing)
