"""A scoring run as a few lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.flow import SCORING
from trainer.run.records import CheckRowsResult, PublishScoresResult, ReadRowsResult, ScoreResult, StartScoringResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder


def scoring_lines(run: RunFolder) -> Iterator[str]:
    """Yield one line for each step that is done: version, rows, checks and drift, scores, output."""
    if start := run.at("start_scoring").result_or_none(StartScoringResult):
        sample = " (BUILT-IN SAMPLE, not real data)" if start.sample else ""
        named = f", the alias {start.alias} at {start.started_at}" if start.alias else ""
        yield f"Rows: {start.source}{sample}"
        yield f"Model: {start.model} version {start.version}{named}"
    if read := run.at("read_rows").result_or_none(ReadRowsResult):
        ignored = f"; {_counted(len(read.ignored), 'column')} ignored" if read.ignored else ""
        yield f"Read: {_counted(read.rows, 'row')}, digest {read.digest[:12]}{ignored}"
    if checked := run.at("check_rows").result_or_none(CheckRowsResult):
        drifted = sum(one.drifted for one in checked.columns)
        yield f"Checks: {checked.checks} of inputs, {_counted(len(checked.failed), 'warning')}"
        yield f"Drift: {checked.status}, {drifted} of {len(checked.columns)} columns"
    if scored := run.at("score").result_or_none(ScoreResult):
        used = f"{scored.model_seconds:.1f} s, {scored.memory_mb:,.0f} MB at most"
        yield f"Scored: {_counted(scored.rows, 'row')} in {used}"
    if published := run.at("publish_scores").result_or_none(PublishScoresResult):
        yield f"Output: {published.output}"
    for step in SCORING:
        if failure := run.at(step.name).failure():
            yield f"FAILED in {step.name}: {failure.error}: {failure.message}"
    yield f"Run folder: {run.at('').uri_of()}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
