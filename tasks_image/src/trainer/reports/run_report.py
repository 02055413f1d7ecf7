"""The page of a run: what was decided and why, then what that rests on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from trainer.errors import FINAL_EXIT_CODES, StepNotDoneError
from trainer.number_format import number_text
from trainer.pipeline import METRICS
from trainer.reports.page import count_text, render_page
from trainer.run.cost import dollars
from trainer.run.fallback import PUBLISH_AGAIN, needs_store
from trainer.run.flow import STEPS
from trainer.run.records import (
    AcceptResult,
    AnyResult,
    CheckResult,
    DriftResult,
    EvaluateResult,
    ExplainResult,
    IngestResult,
    RegisterResult,
    Result,
    StartResult,
    ValidateResult,
)
from trainer.summary.summary import build_summary
from trainer.summary.terminal import cost_text, meaning, memory_text

if TYPE_CHECKING:
    from trainer.decision import GateResult
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import Failure, Plot
    from trainer.summary.summary import Summary

    R = TypeVar("R", bound=Result)

PAGE = "report.html"
KINDS = {"promoted": "good", "registered": "good", "trained": "good", "kept": "warn", "unfinished": "warn"}
VERDICTS = {
    "passed": ("good", "passed"),
    "failed": ("bad", "failed"),
    "not_better": ("warn", "no gain"),
    "may_be_worse": ("warn", "may be worse"),
}
WHAT_TO_DO = {
    1: "A new try can help: clear the task in Airflow, or run the command below. The task's log has the details.",
    2: "No retry can help. Correct the file, the parameter or the setting that the message names, and start a new run.",
    3: "No retry can help. Mend the data, or the check that refuses it, and start a new run.",
    4: "Nothing has moved. The gates below tell what was missed: mend the data, the features or the model, or a limit "
    "that asks for too much, and start a new run.",
}


class Failed(NamedTuple):
    """A step that failed, and what a person does about it."""

    failure: Failure
    meaning: str
    what_to_do: str
    command: str


class Time(NamedTuple):
    """What a step took and cost; `share` (0 to 1) is of the longest."""

    step: str
    seconds: float
    share: float
    cost: str


def write_report(run: RunFolder) -> str:
    """Write a run's page into its folder, as far as the run has come; returns the page's address."""
    return run.at("").write_text(PAGE, render_run_report(run.at("")))


def render_run_report(run: RunFolder) -> str:
    """A run as one self-contained HTML page; parts that were not reached are said to be missing."""
    summary = build_summary(run)
    pipeline = _pipeline(run)
    evaluation = _read(run, EvaluateResult)
    return render_page(
        "run.html.j2",
        summary=summary,
        description=pipeline.description if pipeline else "",
        kind=KINDS.get(summary.outcome, "bad"),
        headline=meaning(summary).split(": ", 1)[1],
        facts=_facts(summary, pipeline, evaluation),
        failed=[_failed(run, failure) for failure in summary.failures],
        gates=_gates(summary.gates),
        compared=any(gate.production is not None for gate in summary.gates),
        verdicts=VERDICTS,
        limit_text=limit_text,
        ingest=_read(run, IngestResult),
        checks=_checks(run),
        drift=_read(run, DriftResult),
        evaluation=evaluation,
        slice_metrics=_slice_metrics(pipeline, evaluation),
        explanation=(explanation := _read(run, ExplainResult)),
        plots=[(plot, _svg(run, plot)) for plot in (explanation.plots if explanation else [])],
        acceptance=_acceptance(_read(run, AcceptResult)),
        lineage=_lineage(run, summary, evaluation),
        times=_times(summary),
        cost=cost_text(summary),
        wall=_wall_seconds(run),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


STEP_OF: dict[type[Result], str] = {
    StartResult: "start",
    IngestResult: "ingest",
    ValidateResult: "validate",
    DriftResult: "detect_drift",
    EvaluateResult: "evaluate",
    ExplainResult: "explain",
    RegisterResult: "register",
    AcceptResult: "accept",
}


def _read(run: RunFolder, kind: type[R]) -> R | None:
    return run.at(STEP_OF[kind]).result_or_none(kind)


def _pipeline(run: RunFolder) -> Pipeline | None:
    try:
        return run.pipeline()
    except StepNotDoneError:
        return None


def _facts(summary: Summary, pipeline: Pipeline | None, evaluation: EvaluateResult | None) -> dict[str, str]:
    """The few figures that stand beside the decision."""
    facts = {}
    if summary.model.name and summary.winner:  # else the run did not get as far as asking for its versions
        facts["Model"] = f"{summary.model.name} version {summary.model.version or '–'}"  # noqa: RUF001
        aliases = (f"{alias} → {version}" for alias, version in sorted(summary.model.aliases.items()))
        facts["Aliases after the run"] = ", ".join(aliases) or "none"
    if evaluation is not None and pipeline is not None:
        metric = pipeline.gates.against_production.metric
        facts["Challenger"] = summary.fitted or evaluation.winner
        if summary.fitted_again:
            facts["Registered"] = summary.fitted_again
        facts[f"Test {metric}"] = number_text(evaluation.metrics.get(metric))
        if evaluation.production_version:
            facts[f"Test {metric} of production (version {evaluation.production_version})"] = number_text(
                evaluation.production_metrics.get(metric)
            )
        if summary.rule:
            facts["Rule"] = summary.rule
        facts["Test rows"] = count_text(evaluation.test_rows)
    if summary.approvals:
        facts["Approval"] = "; ".join(answer.reason for answer in summary.approvals)
    if summary.triggered_by:
        facts["Started"] = summary.triggered_by
    if summary.note:
        facts["Note"] = summary.note
    if summary.memory:
        facts["Memory"] = memory_text(summary)
    return facts


def _failed(run: RunFolder, failure: Failure) -> Failed:
    command = f"trainer step {failure.step} --run '{run.uri}'"
    return Failed(
        failure,
        FINAL_EXIT_CODES.get(failure.exit_code, "a retry can help"),
        PUBLISH_AGAIN if needs_store(failure) else WHAT_TO_DO.get(failure.exit_code, WHAT_TO_DO[1]),
        f"{command} --algorithm {failure.algorithm}" if failure.algorithm else command,
    )


def _gates(gates: list[GateResult]) -> list[tuple[str, list[GateResult]]]:
    """Gates of all test rows, of slices and of behaviour, in this order; within each, failed ones first."""
    titles = {"All test rows": ("figure", "comparison"), "Slices": ("slice",), "Behaviour": ("behaviour",)}
    failed_first = sorted(gates, key=lambda gate: gate.verdict != "failed")
    grouped = [(title, [gate for gate in failed_first if gate.kind in kinds]) for title, kinds in titles.items()]
    return [(title, chosen) for title, chosen in grouped if chosen]


def limit_text(gate: GateResult) -> str:
    """A gate's limit with the direction in which it holds."""
    if gate.kind == "comparison":
        return f"{'gain' if gate.margin is None else 'bound'} > {number_text(gate.limit)}"
    if gate.kind == "behaviour":
        return number_text(gate.limit)
    info = METRICS.get(gate.name.rsplit(": ", 1)[-1])
    falls = gate.name.endswith(" loss") or (info is not None and not info.greater_is_better)
    return f"{'≤' if falls else '≥'} {number_text(gate.limit)}"


def _checks(run: RunFolder) -> list[CheckResult] | None:
    """The failed checks, those of a refusal included; None where the data was not checked."""
    result = _read(run, ValidateResult)
    if result is not None:
        return result.failed
    try:
        found = json.loads(run.at("validate").read_text("validation.json"))
    except FileNotFoundError:
        return None
    checks = [CheckResult.model_validate(check) for check in found["checks"]]
    return [check for check in checks if not check.passed]


def _slice_metrics(pipeline: Pipeline | None, evaluation: EvaluateResult | None) -> list[str]:
    """The metrics to show of slices: the one that is compared with production's, and those that have a limit."""
    if pipeline is None or evaluation is None:
        return []
    limits = [name for gate in pipeline.gates.slices for name in gate.limits]
    named = dict.fromkeys([pipeline.gates.against_production.metric, pipeline.tuning.metric, *limits])
    return [name for name in named if any(name in segment.metrics for segment in evaluation.slices)]


def _svg(run: RunFolder, plot: Plot) -> str:
    try:
        return run.at("explain").read_text(f"{plot.name}.svg")
    except FileNotFoundError:
        return ""


def _acceptance(accepted: AcceptResult | None) -> dict[str, str]:
    if accepted is None:
        return {}
    facts = {
        "Size": f"{accepted.size_mb:.2f} MB",
        "Memory": f"{accepted.memory_mb:,.0f} MB",
        "One row, median": f"{accepted.latency_ms:.1f} ms",
    }
    if accepted.latency_p99_ms:
        facts["One row, 99th percentile"] = f"{accepted.latency_p99_ms:.1f} ms"
    if accepted.batch_rows:
        facts[f"{accepted.batch_rows:,} rows, median"] = f"{accepted.batch_latency_ms:.1f} ms"
        facts[f"{accepted.batch_rows:,} rows, 99th percentile"] = f"{accepted.batch_latency_p99_ms:.1f} ms"
    return facts


def _lineage(run: RunFolder, summary: Summary, evaluation: EvaluateResult | None) -> dict[str, str]:
    """Where everything is and came from; what is not known is left out."""
    start, ingest = _read(run, StartResult), _read(run, IngestResult)
    registered = _read(run, RegisterResult)
    facts = {
        "Source": ingest.source if ingest else start.source if start else "",
        "Snapshot": ingest.snapshot if ingest else "",
        "SHA-256 of the snapshot": ingest.digest if ingest else "",
        "Code repository": start.code_repository if start else "",
        "Git commit": start.git_commit if start else "",
        "Image": start.image if start else "",
        "Airflow run": start.airflow_run_id if start else "",
        "MLflow run": start.run_id if start else "",
        "MLflow run of the challenger": evaluation.run_id if evaluation else "",
        "Challenger": evaluation.model_uri if evaluation else "",
        "Registered version": f"models:/{registered.model}/{registered.version}" if registered else "",
        "Run folder": summary.run,
    }
    return {name: value for name, value in facts.items() if value}


def _times(summary: Summary) -> list[Time]:
    longest = max(summary.seconds.values(), default=0.0)
    costs = {step: dollars(cost) for step, cost in summary.cost.steps.items()} if summary.cost else {}
    return [
        Time(step, seconds, seconds / longest if longest else 0.0, costs.get(step, "–"))  # noqa: RUF001
        for step, seconds in summary.seconds.items()
    ]


def _wall_seconds(run: RunFolder) -> float | None:
    """From the beginning of `start` to the end of the step that ended last; None where none has."""
    start = _read(run, StartResult)
    if start is None:
        return None
    ends = [_ended(folder) for step in STEPS for folder in [run.at(step)]]
    known = [end for end in ends if end is not None]
    return (max(known) - datetime.fromisoformat(start.started_at)).total_seconds() if known else None


def _ended(folder: RunFolder) -> datetime | None:
    result = folder.result_or_none(AnyResult)
    return datetime.fromisoformat(result.finished_at) if result and result.finished_at else None
