"""The page of a look: performance, drift, missing values and labels of each version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.reports.page import render_page
from trainer.run.records import MonitorResult, ReadLabelsResult, ReadScoresResult, StartMonitoringResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.pipeline import Pipeline
    from trainer.plots.drawing import Drawing
    from trainer.plots.monitoring import DatedLook
    from trainer.run import RunFolder
    from trainer.run.records import Plot

PAGE = "monitoring.html"


def write_monitoring_page(
    run: RunFolder, pipeline: Pipeline, result: MonitorResult, earlier: Sequence[RunFolder]
) -> str:
    """Draw the pictures and write `monitoring.html` into the run folder; returns its address.

    :param run: the folder of the step
    :param earlier: the looks before, oldest first
    """
    start = run.at("start_monitoring").result(StartMonitoringResult)
    history = _history([*earlier, run.at("")], start, result)
    plots = [(plot, run.read_text(f"{plot.name}.svg")) for plot in _pictures(run, pipeline, history)]
    content = render_page(
        "monitoring.html.j2",
        pipeline=pipeline.name,
        description=pipeline.description,
        result=result,
        scores=run.at("read_scores").result(ReadScoresResult),
        labels=run.at("read_labels").result_or_none(ReadLabelsResult),
        start=start,
        plots=plots,
        earlier=len(earlier),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return run.at("").write_text(PAGE, content)


def _history(runs: Sequence[RunFolder], now: StartMonitoringResult, result: MonitorResult) -> list[DatedLook]:
    """Return the looks at the version that scored last, oldest first, with their times."""
    from trainer.plots.monitoring import DatedLook

    newest, found = result.newest, []
    for run in runs[:-1]:
        start = run.at("start_monitoring").result_or_none(StartMonitoringResult)
        before = run.at("monitor").result_or_none(MonitorResult)
        if start is not None and before is not None:
            found += [(_moment(start), look) for look in before.looks]
    found.append((_moment(now), newest))
    same = [(day, look) for day, look in found if (look.model, look.version) == (newest.model, newest.version)]
    return [DatedLook(day, look) for day, look in same]


def _moment(start: StartMonitoringResult) -> str:
    return start.started_at[5:16].replace("T", " ")


def _pictures(run: RunFolder, pipeline: Pipeline, history: list[DatedLook]) -> Iterator[Plot]:
    from trainer.plots.drawing import keep, style
    from trainer.plots.monitoring import drift_drawing, performance_drawing

    with style():
        drawn: list[Drawing | None] = [performance_drawing(history), drift_drawing(history, pipeline.drift.share)]
        yield from [keep(run, drawing) for drawing in drawn if drawing is not None]
