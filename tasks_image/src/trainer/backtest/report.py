"""A backtest as a record, as a text, and as a page that opens offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.backtest.replay import best_mean, loss_to
from trainer.number_format import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.backtest.replay import Past, Replayed
    from trainer.run import RunFolder

PAGE = "backtest.html"
LINE_STYLES = {"validation": "-", "none": "--"}


def record_of(past: Past, found: Sequence[Replayed], margin: float | None) -> dict[str, Any]:
    """Return the whole backtest as a JSON document."""
    metric = past.pipeline.gates.against_production.metric
    best = best_mean(found, metric)
    return {
        "pipeline": past.pipeline.name,
        "metric": metric,
        "margin": margin,
        "source": past.data.source,
        "rows": past.data.rows.height,
        "windows": [
            {
                "begin": window.begin.isoformat(), "end": window.end.isoformat(), "rows": rows, "winner": fit.winner,
                "cached": fit.cached,
            }
            for window, rows, fit in zip(past.windows, past.rows, past.fits, strict=True)
        ],
        "rules": [
            {
                "rule": one.rule, "refit": one.refit, "mean": one.mean, "loss_to_best": loss_to(best, one, metric),
                "promotions": one.promotions, "windows": [vars(live) for live in one.windows],
            }
            for one in found
        ],
    }  # fmt: skip


def text_of(record: dict[str, Any]) -> str:
    """Return the record as lines for a terminal."""
    return "\n".join(_lines(record))


def _lines(record: dict[str, Any]) -> Iterator[str]:
    windows, metric = record["windows"], record["metric"]
    cached = sum(window["cached"] for window in windows)
    yield f"Pipeline {record['pipeline']} on {record['source']} ({record['rows']:,} rows)"
    yield (
        f"{len(windows)} windows from {windows[0]['begin']} to {windows[-1]['end']}; "
        f"{len(windows) - cached} challengers fitted, {cached} from the cache"
    )
    if record["margin"] is None:
        yield "Rule not_worse: not replayed, since it has no margin; give one with --margin"
    yield f"{'rule':<10}  {'refit':<10}  {f'mean {metric}':<16}  {'loss to best':<12}  {'promoted':<8}  live by window"
    for one in record["rules"]:
        lives = " ".join(str(live["version"]) for live in one["windows"])
        yield (
            f"{one['rule']:<10}  {one['refit']:<10}  {number_text(one['mean']):<16}  "
            f"{number_text(one['loss_to_best']):<12}  {one['promotions']:<8}  {lives}"
        )


def write_page(folder: RunFolder, record: dict[str, Any]) -> str:
    """Write the page, its plot inside, into a folder; returns its address."""
    from trainer.reports.page import render_page

    svg = _plot(folder, record)
    return folder.write_text(PAGE, render_page("backtest.html.j2", record=record, plot=svg))


def _plot(folder: RunFolder, record: dict[str, Any]) -> str:
    """Draw production's metric by window, one line per rule, and return the SVG."""
    from trainer.plots.drawing import FIRST, INK, SECOND, Drawing, figure, keep, style

    with style():
        made, axes = figure(f"{record['metric']} of production, by window", width=9.6, height=4.2)
        looks = {"better": (FIRST, 7), "not_worse": (SECOND, 4), "always": (INK, 1.5)}  # equal ones stay visible
        numbers = range(1, len(record["windows"]) + 1)
        for one in record["rules"]:
            refit = "with refit" if one["refit"] == "validation" else "without refit"
            figures = [live["figure"] for live in one["windows"]]
            colour, width = looks[one["rule"]]
            axes.plot(
                numbers,
                figures,
                LINE_STYLES[one["refit"]],
                color=colour,
                linewidth=width,
                label=f"{one['rule']}, {refit}",
            )
        axes.set_xlabel("window")
        axes.set_ylabel(record["metric"])
        axes.legend(fontsize=9, handlelength=4)
        shown = "; ".join(f"{one['rule']}, refit {one['refit']}: mean {one['mean']:.6g}" for one in record["rules"])
        keep(folder, Drawing("backtest", f"{record['metric']} by window", shown, made))
    return folder.read_text("backtest.svg")
