"""What a run did and decided, as one record and as a text for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from trainer.decision import GateResult, read_decision, rule_text
from trainer.errors import StepNotDoneError
from trainer.run.cost import RunCost, cost_of_run
from trainer.run.flow import AFTER_DECISION, APPROVE, APPROVE_START, PER_WORKER, REFIT, parts_of_run
from trainer.run.memory import MemoryState, memory_state
from trainer.run.records import (
    AnyResult,
    ApprovalResult,
    CheckResult,
    DriftResult,
    EvaluateResult,
    Failure,
    IngestResult,
    PromoteResult,
    RefitResult,
    RegisterResult,
    ReportResult,
    StartResult,
    ValidateResult,
)

if TYPE_CHECKING:
    from trainer.decision import Decision
    from trainer.pipeline import Pipeline
    from trainer.run.folder import RunFolder

Outcome = Literal["promoted", "registered", "trained", "kept", "refused", "failed", "unfinished"]

SUMMARY_FILE = "summary.json"
MODEL_REFUSED = 4


class DataSummary(BaseModel):
    """What was read."""

    model_config = ConfigDict(frozen=True)

    source: str
    rows: int
    digest: str
    sample: bool
    tags: dict[str, str] = {}
    """What else says where it came from, such as `dvc.hash`."""


class ModelSummary(BaseModel):
    """The registered model as the run left it."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    """The version that this run registered, else production's; empty if there is neither."""
    aliases: dict[str, str]


class Summary(BaseModel):
    """A run in one record; parts that were not reached are empty."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    run: str
    """Address of the run folder."""
    note: str
    triggered_by: str = ""
    """The reason for which monitoring has started the run; empty if a person or its schedule has."""
    outcome: Outcome
    reason: str
    data: DataSummary | None
    validation: dict[str, Any] | None
    drift: dict[str, Any] | None
    candidates: list[dict[str, Any]]
    winner: str
    fitted: str = ""
    """The rows that the challenger was fitted on, in words."""
    fitted_again: str = ""
    """The rows that it was fitted on once more after the decision, in words; empty without such a fit."""
    metrics: dict[str, float]
    production_metrics: dict[str, float]
    gates: list[GateResult]
    rule: str = ""
    """The rule `not_worse` with its margin and both bounds, in words; empty for the rule `better`."""
    model: ModelSummary
    approvals: list[ApprovalResult] = []
    """What persons were asked and have answered: before the run began, and before production moved."""
    failures: list[Failure]
    left_out: dict[str, str] = {}
    """Steps that the run did without, and why, where that is not plain from its parameters and its decision."""
    seconds: dict[str, float]
    """Time inside each step's `run()`."""
    cost: RunCost | None = None
    """None where no costs are counted."""
    memory: dict[str, MemoryState] = {}
    """Steps that ran out of memory and were given more."""
    wall_seconds: float
    overhead_share: float
    """1 - (sum of `seconds`) / `wall_seconds`."""
    page: str = ""
    """Address of the run on one page, once the step `report` has written it."""


def build_summary(run: RunFolder, wall_seconds: float | None = None) -> Summary:
    """The summary of a run as far as it has come.

    Wall time is that of the whole command where the caller knows it, else the time since `start`.
    """
    try:
        pipeline = run.pipeline()
    except StepNotDoneError:
        return _not_started(run, wall_seconds or 0.0)
    steps = [run.at(*part) for part in parts_of_run(pipeline)]
    results = {folder.label: done for folder in steps if (done := folder.result_or_none(AnyResult))}
    seconds = {label: result.seconds for label, result in results.items()}
    wall = wall_seconds or _since_start(run)
    failures = [failure for folder in steps if (failure := folder.failure()) and not _made_good(folder)]
    decision = read_decision(run)
    evaluation = run.at("evaluate").result_or_none(EvaluateResult)
    outcome, reason = _outcome(run, decision, failures)
    return Summary(
        pipeline=pipeline.name,
        run=run.at("").uri_of(),
        note=pipeline.run.note,
        triggered_by=pipeline.run.triggered_by,
        outcome=outcome,
        reason=reason,
        data=_data(run),
        validation=_validation(run),
        drift=_drift(run),
        candidates=_candidates(pipeline, evaluation),
        winner=evaluation.winner if evaluation else "",
        fitted=_fitted(run, pipeline, REFIT),
        fitted_again=_fitted(run, pipeline, AFTER_DECISION),
        metrics=evaluation.metrics if evaluation else {},
        production_metrics=evaluation.production_metrics if evaluation else {},
        gates=decision.gates if decision else [],
        rule=rule_text(decision.gates) if decision else "",
        model=_model(run, pipeline, evaluation),
        approvals=_approvals(run),
        failures=failures,
        left_out={folder.label: why for folder in steps if folder.label not in results and (why := folder.left_out())},
        seconds=seconds,
        cost=cost_of_run(results),
        memory={folder.label: known for folder in steps if (known := memory_state(folder))},
        wall_seconds=wall,
        overhead_share=max(0.0, 1 - sum(seconds.values()) / wall) if wall else 0.0,
        page=reported.page if (reported := run.at("report").result_or_none(ReportResult)) else "",
    )


def write_summary(run: RunFolder, summary: Summary) -> str:
    """Keep a summary in the run folder; returns its address."""
    return run.at("").write_text(SUMMARY_FILE, summary.model_dump_json(indent=2) + "\n")


def _made_good(folder: RunFolder) -> bool:
    """Whether a failure no longer counts: what a worker has left undone, `tune` does after it."""
    return folder.step in PER_WORKER and folder.at("tune", folder.algorithm).result_or_none(AnyResult) is not None


def _not_started(run: RunFolder, wall: float) -> Summary:
    failure = run.at("start").failure() or run.at(APPROVE_START).failure()
    reason = failure.message if failure else "the step `start` has not written the pipeline"
    return _empty(run, "failed" if failure else "unfinished", reason, failures=[failure] if failure else [], wall=wall)


def unreadable_summary(run: RunFolder, error: Exception) -> Summary:
    """What can be told of a run whose folder cannot be read."""
    reason = f"the run folder cannot be read ({type(error).__name__}: {error}); the logs of the tasks have more"
    return _empty(run, "failed", reason, failures=[], wall=0.0)


def _empty(run: RunFolder, outcome: Outcome, reason: str, failures: list[Failure], wall: float) -> Summary:
    return Summary(
        pipeline=run.root.rsplit("/", 2)[-2], run=run.at("").uri_of(), note="", outcome=outcome, reason=reason,
        data=None, validation=None, drift=None, candidates=[], winner="", metrics={}, production_metrics={}, gates=[],
        model=ModelSummary(name="", version="", aliases={}), failures=failures, seconds={},
        wall_seconds=wall, overhead_share=0.0,
    )  # fmt: skip


def _since_start(run: RunFolder) -> float:
    start = run.at("start").result_or_none(StartResult)
    if start is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(start.started_at)).total_seconds())  # clocks go back


def _outcome(run: RunFolder, decision: Decision | None, failures: list[Failure]) -> tuple[Outcome, str]:
    if failures:
        refused = any(failure.exit_code == MODEL_REFUSED for failure in failures)
        return "refused" if refused else "failed", "; ".join(_failure_line(failure) for failure in failures)
    if decision is None:
        return "unfinished", "no decision was taken"
    if decision.outcome == "refuse":
        return "refused", decision.reason
    if kept := _kept(run, decision):
        return "kept", kept
    return _promotion(run, decision)


def _promotion(run: RunFolder, decision: Decision) -> tuple[Outcome, str]:
    """Return how far a challenger came that was to be promoted."""
    promoted = run.at("promote").result_or_none(PromoteResult)
    if promoted is not None and promoted.aliases.get("production") == promoted.version:
        return "promoted", decision.reason
    if run.at("register").result_or_none(RegisterResult) is not None:
        return "registered", "passed all gates; by request it was not promoted to production"
    if why := run.at("register").left_out():
        return "trained", f"passed all gates; it was not registered: {why}"
    return "unfinished", "the decision is to promote, and that was not done"


def _kept(run: RunFolder, decision: Decision) -> str:
    """Return why production is kept, by the decision or by a person's answer to it; an empty string if it is not."""
    if decision.outcome == "keep":
        return decision.reason
    answer = run.at(APPROVE).result_or_none(ApprovalResult)
    return answer.reason if answer and answer.outcome == "keep" else ""


def _failure_line(failure: Failure) -> str:
    name = " ".join(part for part in (failure.step, failure.algorithm, str(failure.worker or "")) if part)
    return f"{name}: {failure.error}: {failure.message}"


def _data(run: RunFolder) -> DataSummary | None:
    result = run.at("ingest").result_or_none(IngestResult)
    if result is None:
        return None
    return DataSummary(**{name: getattr(result, name) for name in DataSummary.model_fields})


def _validation(run: RunFolder) -> dict[str, Any] | None:
    if (result := run.at("validate").result_or_none(ValidateResult)) is None:
        return None
    return {"passed": result.passed, "checks": result.checks, "warnings": [_warning(check) for check in result.failed]}


def _warning(check: CheckResult) -> str:
    found = [f"{check.unexpected} unexpected ({check.share:.2%})"] if check.unexpected else []
    return f"{check.check}({check.column}): {'; '.join([*found, check.message or 'failed'])}"


def _drift(run: RunFolder) -> dict[str, Any] | None:
    if (result := run.at("detect_drift").result_or_none(DriftResult)) is None:
        return None
    drifted = [column.column for column in result.columns if column.drifted]
    return {
        "status": result.status,
        "share": result.share,
        "drifted": drifted,
        "target_drifted": bool(result.target and result.target.drifted),
        "reference_version": result.reference_version,
        "compared": result.what,
    }


def _candidates(pipeline: Pipeline, evaluation: EvaluateResult | None) -> list[dict[str, Any]]:
    metric = pipeline.tuning.metric
    return [
        {
            "algorithm": candidate.algorithm,
            f"cv_{metric}": candidate.cv_mean,
            f"cv_{metric}_std": candidate.cv_std,
            f"validation_{metric}": candidate.validation,
            "seconds": candidate.seconds,
        }
        for candidate in (evaluation.candidates if evaluation else [])
    ]


def _approvals(run: RunFolder) -> list[ApprovalResult]:
    found = (run.at(step).result_or_none(ApprovalResult) for step in (APPROVE_START, APPROVE))
    return [answer for answer in found if answer is not None]


def _fitted(run: RunFolder, pipeline: Pipeline, step: str) -> str:
    """The description of a fit, or an empty text."""
    fit = run.at(step).result_or_none(RefitResult)
    if fit is None:
        return ""
    remark = pipeline.algorithms[fit.winner].remark
    return f"{fit.what}; {remark}" if remark else fit.what


def _model(run: RunFolder, pipeline: Pipeline, evaluation: EvaluateResult | None) -> ModelSummary:
    """The model after this run; a run that moved no alias leaves those that the decision saw."""
    promoted = run.at("promote").result_or_none(PromoteResult)
    registered = run.at("register").result_or_none(RegisterResult)
    production = evaluation.production_version if evaluation else ""
    aliases = promoted.aliases if promoted else (evaluation.aliases if evaluation else {})
    version = registered.version if registered else production
    return ModelSummary(name=pipeline.registry.model, version=version, aliases=aliases)
