"""A run's summary as a text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.environment import variable_name
from trainer.process.printable import printable
from trainer.run.cost import dollars
from trainer.run.flow import STEPS, placed_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.summary.summary import Summary

MEANINGS = {
    "promoted": "PROMOTED: the new model is production",
    "registered": "REGISTERED: the new model passed and was not promoted, as asked",
    "trained": "TRAINED: the new model passed and was not registered, as asked",
    "kept": "KEPT: production stays; the new model passed its gates and is not promoted",
    "refused": "REFUSED: the new model or its run did not pass; nothing moved",
    "failed": "FAILED: the run did not get to its end; production stays, unless `promote` had begun to move it",
    "unfinished": "UNFINISHED: the run did not get to its end; nothing more moves",
}
FAILED_AFTER_PROMOTION = "FAILED: a step after the promotion failed; what was promoted stays so"
RATES = ("cpu_core_hour_rate", "gpu_hour_rate")
UNPAID = ("decide", "approve")
"""Steps that the scheduler does itself, on what it has anyway."""
SIGNS = {"passed": "pass", "failed": "FAIL", "not_better": "no gain", "may_be_worse": "may be worse"}


def meaning(summary: Summary) -> str:
    """What became of the run, in one line."""
    later = STEPS[STEPS.index("promote") + 1 :]
    promoted = "promote" in summary.seconds
    if summary.outcome == "failed" and promoted and all(failure.step in later for failure in summary.failures):
        return FAILED_AFTER_PROMOTION
    return MEANINGS[summary.outcome]


def render(summary: Summary) -> str:
    """The summary, most important first, in lines for a terminal; the first says what data it rests on."""
    return printable("\n".join(_lines(summary)))


def _lines(summary: Summary) -> Iterator[str]:
    yield _data_line(summary)
    yield f"{meaning(summary)}."
    yield f"Why: {summary.reason}"
    if summary.triggered_by:
        yield f"Started: {summary.triggered_by}"
    yield from (f"Approval: {answer.reason}" for answer in summary.approvals)
    if summary.model.name and summary.winner:  # else the run did not get as far as asking for its versions
        aliases = ", ".join(f"{alias} → {version}" for alias, version in sorted(summary.model.aliases.items()))
        yield f"Model: {summary.model.name} version {summary.model.version or '-'} ({aliases or 'no aliases'})"
    if summary.fitted:
        yield f"Challenger: {summary.fitted}"
    if summary.fitted_again:
        yield f"Registered: {summary.fitted_again}"
    yield from _data_checks(summary)
    yield from _table("Candidates", [_candidate(row) for row in summary.candidates])
    yield from _table("Gates (test rows)", _gates(summary))
    if summary.rule:
        yield f"Rule: {summary.rule}"
    yield from _table("Slices (test rows)", _slices(summary))
    yield from _table("Behaviour (validation rows)", _behaviour(summary))
    yield from (f"Left out: {step}: {why}" for step, why in summary.left_out.items())
    yield from _times(summary)
    if summary.seconds:
        yield f"Cost: {cost_text(summary)}"
    if summary.memory:
        yield f"Memory: {memory_text(summary)}"
    yield f"Run folder: {summary.run}"
    if summary.page:
        yield f"Report: {summary.page}"


def _data_line(summary: Summary) -> str:
    if summary.data is None:
        return f"Pipeline {summary.pipeline}: no data was read."
    rows = f"{summary.data.rows:,} rows, digest {summary.data.digest[:12]}"
    if summary.data.sample:
        return f"Pipeline {summary.pipeline} on the BUILT-IN SAMPLE, not on real data: {summary.data.source} ({rows})"
    return f"Pipeline {summary.pipeline} on {summary.data.source} ({rows})"


def _data_checks(summary: Summary) -> Iterator[str]:
    if summary.validation:
        warnings = summary.validation["warnings"]
        yield f"Validation: {summary.validation['checks']} checks, {len(warnings)} warnings"
        yield from (f"  warning: {warning}" for warning in warnings)
    if summary.drift:
        yield f"Drift: {_drift(summary.drift)}"


def _drift(drift: dict[str, Any]) -> str:
    if drift["status"] == "no_reference":
        return "no production model yet, so nothing to compare with"
    columns = f" ({', '.join(drift['drifted'])})" if drift["drifted"] else ""
    target = ", and the target has drifted" if drift["target_drifted"] else ""
    share = f"{drift['share']:.0%} of the columns drifted{columns}{target}"
    since = f"since production version {drift['reference_version']}; compared: {drift['compared']}"
    return f"{drift['status']}: {share} {since}"


def _candidate(row: dict[str, Any]) -> dict[str, str]:
    return {
        key: f"{value:{'.1f' if key == 'seconds' else '.4f'}}" if isinstance(value, float) else _short(value)
        for key, value in row.items()
    }


def _gates(summary: Summary) -> list[dict[str, str]]:
    return [
        {
            "gate": gate.name,
            "value": _short(gate.value),
            "limit": _short(gate.limit),
            "production": _short(gate.production),
            "verdict": SIGNS[gate.verdict],
        }
        for gate in summary.gates
        if gate.kind in {"figure", "comparison"}
    ]


def _slices(summary: Summary) -> list[dict[str, str]]:
    return [
        {
            "segment": gate.name.rpartition(": ")[0],
            "metric": gate.name.rpartition(": ")[2],
            "rows": _short(gate.rows),
            "value": _short(gate.value),
            "limit": _short(gate.limit),
            "production": _short(gate.production),
            "verdict": SIGNS[gate.verdict],
        }
        for gate in summary.gates
        if gate.kind == "slice"
    ]


def _behaviour(summary: Summary) -> list[dict[str, str]]:
    return [
        {
            "expectation": gate.name.partition(": ")[2],
            "rows": _short(gate.rows),
            "change": _short(gate.value),
            "limit": _short(gate.limit),
            "verdict": SIGNS[gate.verdict],
        }
        for gate in summary.gates
        if gate.kind == "behaviour"
    ]


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(title: str, rows: list[dict[str, str]]) -> Iterator[str]:
    if not rows:
        return
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    yield f"{title}:"
    yield "  " + "  ".join(key.ljust(width) for key, width in widths.items()).rstrip()
    for row in rows:
        yield "  " + "  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip()


def cost_text(summary: Summary) -> str:
    """What the run cost, and of how many of its steps that is known; without rates there is no figure, not even 0."""
    if summary.cost is None:
        return f"not counted, since no rates are set ({' and '.join(map(variable_name, RATES))})"
    parts = f"CPU {dollars(summary.cost.cpu_usd)}, GPU {dollars(summary.cost.gpu_usd)}"
    left_out = [step for step in summary.seconds if step not in summary.cost.steps and step not in UNPAID]
    without = f"; not counted: {', '.join(left_out)}" if left_out else ""
    return f"{dollars(summary.cost.total_usd)} ({parts}){without}"


def memory_text(summary: Summary) -> str:
    """Which steps ran out of memory, and what spares the next run from trying in vain."""
    steps = "; ".join(
        f"{step} ran out of {known.ran_out_at} and got {known.memory}" for step, known in summary.memory.items()
    )
    keys = " and ".join(dict.fromkeys(f"`resources.{placed_as(step.split()[0])}.memory`" for step in summary.memory))
    return f"{steps}. Raise {keys}, so that the next run does not try in vain"


def _times(summary: Summary) -> Iterator[str]:
    if not summary.seconds:
        return
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in summary.seconds.items())
    yield f"Seconds: {parts}; {summary.wall_seconds:.0f} in all, {summary.overhead_share:.0%} of it outside the steps"
