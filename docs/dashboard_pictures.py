"""Draw Grafana's dashboards for the documentation from their own queries: `python -m docs.dashboard_pictures`.

Grafana itself is not started: the pictures say so. Their rows come from runs in the servers of docker-compose.yaml,
started as plain processes.
"""

from __future__ import annotations

import html
import io
import math
import sys
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

from docs.screenshots import take
from include.stack.grafana.dashboards import DASHBOARDS
from include.stack.grafana.panels import COLOURS
from tests.browser import open_page
from tests.stack.grafana import queries
from tests.stack.pipelines import churn_of_table
from tests.stack.servers import run_stack
from trainer.sources.samples.telco import generate_telco

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.stack.grafana import Asked
    from tests.stack.servers import Stack

WIDTH, ROW = 1500, 34
"""Of a picture, and of a row of Grafana's grid, in pixels."""
SHOWN_ROWS, SHOWN_CHARACTERS = 7, 60
SHADES = {"green": "#73bf69", "blue": "#6e9fff", "orange": "#ff9830", "red": "#f2495c", "text": "#8e8e9a"}
"""Grafana's colours on a dark page."""
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ background: #111217; color: #ccccdc; font: 13px sans-serif; margin: 12px }}
.grid {{ display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: {row}px; gap: 6px }}
.panel {{ background: #181b1f; border: 1px solid #2c2f36; overflow: hidden; padding: 6px 10px }}
h1 {{ font-size: 18px; margin: 0 0 2px }} h2 {{ font-size: 13px; font-weight: 600; margin: 0 0 6px }}
p {{ margin: 0 0 10px }} table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #2c2f36; padding: 3px 8px 3px 0; text-align: left; white-space: nowrap }}
.numbers {{ display: flex; justify-content: space-around }} .numbers b {{ display: block; font-size: 42px }}
svg {{ height: auto; width: 100% }}
</style><h1>{title}</h1><p>{description} <i>Drawn from the dashboard's own queries; Grafana looks different.</i></p>
<div class="grid">{panels}</div>"""


def main() -> int:
    """Start the servers, make some runs, and draw each dashboard; returns 0."""
    with run_stack([churn_of_table(schedule=None)]) as stack:
        make_history(stack)
        for name in DASHBOARDS:
            with open_page(WIDTH) as page:
                page.set_content(drawn(stack, name))
                take(page, f"dashboard-{name}.png", whole=True)
    return 0


def make_history(stack: Stack) -> None:
    """Run churn on three data sets by REST, then on a fourth by its schedule, where drift fails the run."""
    dag, data = "churn_training", ((42, 0.0), (42, 0.2), (7, 0.5))
    stack.airflow.unpause(dag)
    for seed, drift in data:
        stack.seed(generate_telco(rows=2500, seed=seed, drift=drift).frame)
        stack.wait_for_run(dag, stack.airflow.trigger(dag))
    stack.add_pipeline(churn_of_table(schedule="0 2 * * 0", drift={"when_drifted": "fail"}))
    stack.seed(generate_telco(rows=2500, seed=1, drift=2.0).frame)
    stack.wait_until(lambda: len(stack.airflow.runs(dag)) > len(data), "the missed run")
    stack.wait_for_run(dag, stack.airflow.runs(dag)[0]["dag_run_id"])


def drawn(stack: Stack, name: str) -> str:
    """Return a dashboard as a page."""
    dashboard = DASHBOARDS[name]().build()
    values = {"pipeline": "churn", "gate": "auc_roc"}
    asked = [one for one in queries(name) if one.panel]
    panels = "".join(_panel(one, *stack.table(one.database, one.statement(values)), values) for one in asked)
    return PAGE.format(row=ROW, title=dashboard.title, description=dashboard.description, panels=panels)


def _panel(asked: Asked, columns: list[str], rows: list[tuple[Any, ...]], values: dict[str, str]) -> str:
    place = asked.panel["gridPos"]
    style = "; ".join(
        f"grid-{axis}: {place[at] + 1} / span {place[size]}"
        for axis, at, size in (("column", "x", "w"), ("row", "y", "h"))
    )
    title = html.escape(values.get(asked.title.removeprefix("$"), asked.title))
    kind = asked.panel["type"]
    inner = (
        _numbers(columns, rows[0])
        if kind == "stat"
        else _table(columns, rows)
        if kind == "table"
        else _chart(asked, columns, rows)
    )
    return f'<div class="panel" style="{style}"><h2>{title}</h2>{inner}</div>'


def _numbers(columns: list[str], row: tuple[Any, ...]) -> str:
    shown = (
        f'<span style="color: {_colour(name)}"><b>{value}</b>{name}</span>'
        for name, value in zip(columns, row, strict=True)
    )
    return f'<div class="numbers">{"".join(shown)}</div>'


def _table(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:SHOWN_ROWS])
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, float | Decimal):
        text = f"{value:.4g}"
    else:
        text = "" if value is None else str(value)
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
    return f'<td style="color: {_colour(text)}">{html.escape(short)}</td>'


def _colour(name: str) -> str:
    return SHADES.get(COLOURS.get(name, ""), "#ccccdc")


def _chart(asked: Asked, columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Return lines or stacked bars over the runs in order, as an SVG."""
    from matplotlib import style
    from matplotlib.figure import Figure

    series = dict(_series(columns, rows))
    times = sorted({time for points in series.values() for time in points})
    place = asked.panel["gridPos"]
    size = place["w"] / 24 * 14, place["h"] * ROW / 110
    with style.context("dark_background"):
        axes = (figure := Figure(figsize=size, layout="constrained", facecolor="#181b1f")).subplots()
    bottom = [0.0] * len(times)
    for name, points in series.items():
        heights = [float(points.get(time) or 0.0) for time in times]
        if asked.panel["fieldConfig"]["defaults"]["custom"].get("drawStyle") == "bars":
            axes.bar(range(len(times)), heights, 0.4, bottom, label=name)
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        else:
            axes.plot(range(len(times)), [points.get(time, math.nan) for time in times], "o-", label=name)
    axes.set_facecolor("#181b1f")
    axes.set_xticks(range(len(times)), [f"{time:%d %b %H:%M}" for time in times])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7, frameon=False, labelcolor="#ccccdc")
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()[file.getvalue().index("<svg") :]


def _series(columns: list[str], rows: list[tuple[Any, ...]]) -> Iterable[tuple[str, dict[datetime, float]]]:
    """Return the points of each line: of each column, or of each value of the column `metric`."""
    if "metric" not in columns:
        for index, name in enumerate(columns[1:], start=1):
            yield name, {row[0]: row[index] for row in rows}
        return
    for name, points in groupby(sorted(rows, key=lambda row: (row[1], row[0])), key=lambda row: row[1]):
        yield str(name), {row[0]: row[2] for row in points}


if __name__ == "__main__":
    sys.exit(main())
