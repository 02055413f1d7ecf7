"""Whether a model is good enough within each segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision.result import GateResult, against_limit, figure_or_none, interval_of, is_figure
from trainer.pipeline import Limit

if TYPE_CHECKING:
    from trainer.decision.result import Verdict
    from trainer.pipeline import SliceGate
    from trainer.run.records import EvaluateResult, Segment

ROWS = "rows"


def slice_results(gate: SliceGate, metric: str, evaluation: EvaluateResult, too_few: Verdict) -> list[GateResult]:
    """One result per segment and limit; a segment that is missing or too small fails, and is judged no further.

    `metric` is that of the comparison with production; `too_few` is the verdict where there are too few rows for any.
    """
    judged = {segment.segment: segment for segment in evaluation.slices if segment.column == gate.column}
    expected = gate.labels or list(judged)
    if not expected:
        reason = f"no segment of {gate.column} was judged"
        return [_on_rows(gate, gate.column, 0, "failed", reason)]
    return [
        result
        for name in expected
        for result in _segment_results(gate, name, metric, judged.get(name), evaluation, too_few)
    ]


def _segment_results(
    gate: SliceGate, name: str, metric: str, segment: Segment | None, evaluation: EvaluateResult, too_few: Verdict
) -> list[GateResult]:
    title, rows = f"{gate.column}={name}", segment.rows if segment else 0
    if segment is None or rows < gate.min_rows:
        reason = f"segment {name!r} of {gate.column} has {rows} test rows, {gate.min_rows} are needed to judge it"
        return [_on_rows(gate, title, rows, "failed", reason)]
    results = [_on_limit(Limit(metric=name, limit=limit), title, segment) for name, limit in gate.limits.items()]
    if gate.max_loss is not None and evaluation.production_version:
        verdict = too_few if evaluation.comparison is None else "failed"
        results.append(_on_loss(gate.max_loss, f"{title}: {metric} loss", segment, verdict))
        if segment.anchor_comparison is not None:
            before = segment.model_copy(update={"comparison": segment.anchor_comparison})
            results.append(_on_loss(gate.max_loss, f"{title}: {metric} anchor loss", before, verdict, "the anchor"))
    return results or [_on_rows(gate, title, rows, "passed", f"{rows} test rows are at least {gate.min_rows}")]


def _on_rows(gate: SliceGate, title: str, rows: int, verdict: Verdict, reason: str) -> GateResult:
    return GateResult(
        name=f"{title}: {ROWS}",
        value=rows,
        limit=gate.min_rows,
        rows=rows,
        kind="slice",
        verdict=verdict,
        reason=reason,
    )


def _on_limit(limit: Limit, title: str, segment: Segment) -> GateResult:
    value = segment.metrics.get(limit.metric)
    verdict, reason = against_limit(value, limit)
    if value is None:
        reason = (
            f"it is not defined on this segment's {segment.rows} test rows, which lack a class or differing targets"
        )
    return GateResult(
        name=f"{title}: {limit.metric}",
        value=figure_or_none(value),
        limit=limit.limit,
        production=segment.production_metrics.get(limit.metric),
        rows=segment.rows,
        kind="slice",
        verdict=verdict,
        reason=reason,
    )


def _on_loss(
    max_loss: float, name: str, segment: Segment, not_compared: Verdict, other: str = "production"
) -> GateResult:
    """Fails where the segment is shown to be worse than production, or the anchor, by more than `max_loss`."""
    compared = segment.comparison
    verdict, reason = _loss(max_loss, segment, not_compared, other)
    return GateResult(
        name=name,
        value=figure_or_none(-compared.gain) if compared else None,
        limit=max_loss,
        production=figure_or_none(compared.production) if compared and other == "production" else None,
        interval=interval_of(compared),
        rows=compared.rows if compared else 0,
        kind="slice",
        verdict=verdict,
        reason=reason,
    )


def _loss(max_loss: float, segment: Segment, not_compared: Verdict, other: str) -> tuple[Verdict, str]:
    compared = segment.comparison
    if compared is None:
        why = segment.not_compared or "no comparison was made"
        return not_compared, f"it cannot be compared with {other}: {why}"
    if not all(is_figure(value) for value in (compared.gain, compared.lower, compared.upper)):
        return "failed", f"the comparison with {other} gave no number to judge by"
    found = (
        f"gain in {compared.metric} {compared.gain:+.4f}, interval {compared.lower:+.4f} to {compared.upper:+.4f} "
        f"over {compared.rows} rows"
    )
    if compared.upper < -max_loss:
        return "failed", f"worse than {other} by more than {max_loss:g}, beyond noise: {found}"
    return "passed", f"not shown to be worse than {other} by more than {max_loss:g}: {found}"
