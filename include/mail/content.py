"""What a mail about a run says, most important first; its looks are in mail_html.py and mail_text.py."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainer.run.fallback import PUBLISH_AGAIN, fall_back, needs_store
from trainer.run.records import Result, StartResult
from trainer.summary.terminal import memory_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder
    from trainer.run.records import Failure
    from trainer.summary.summary import Summary

logger = logging.getLogger(__name__)

Tone = Literal["good", "neutral", "bad"]

CONFIGURATION_WRONG, DATA_REFUSED, MODEL_REFUSED = 2, 3, 4
DATA_ISSUE = "Data quality issue detected"

HEADLINES: dict[str, tuple[Tone, str]] = {
    "promoted": ("good", "The new model is production"),
    "registered": ("good", "The new model is registered, and not promoted, as asked"),
    "trained": ("good", "The new model passed, and is not registered, as asked"),
    "kept": ("neutral", "Production stays: the new model is not promoted"),
    "refused": ("bad", "The new model is refused"),
    "unfinished": ("bad", "The run did not get to its end"),
}
VERDICTS = {"failed": "FAIL", "not_better": "no gain", "may_be_worse": "may be worse"}
OF_EXIT_CODE = {CONFIGURATION_WRONG: "The configuration is wrong", DATA_REFUSED: DATA_ISSUE}
NEXT = {
    "promoted": "Nothing has to be done. A version that was production before is under `previous_production`.",
    "registered": "Promote it when you want it: start a run with `promote_to: production`.",
    "trained": "Register it when you want it: train with `--register-best`.",
    "kept": "Nothing has to be done: production goes on as it was, and the next run tries again.",
    "refused": "See which gate it does not pass; more or other data, features or trials may help. Limits are in the "
    "pipeline's YAML under `gates` and `acceptance`.",
    "unfinished": "See the log of its last task, and clear that task to go on from there.",
    "failed": "See the log of the task; clear it to try again from there: what was done before it is kept.",
}
NEXT_OF_EXIT_CODE = {
    CONFIGURATION_WRONG: "Correct what the reason names, then start a new run: a run keeps the pipeline that it began "
    "with. `trainer check FILE` says beforehand whether a pipeline is right.",
    DATA_REFUSED: "Look at the data where the reason points; once it is mended, clear the task `ingest` or start a new "
    "run. If the data is right and the check is not, change it under `validation`.",
}


@dataclass(frozen=True)
class Mail:
    """A mail's content, in the order in which it is read."""

    tone: Tone
    pipeline: str
    headline: str
    reasons: list[str]
    next_step: str
    facts: list[tuple[str, str]]
    gates: list[dict[str, str]]
    """Those that did not pass."""
    candidates: list[dict[str, str]]
    links: list[tuple[str, str]]


class _WholeReport(Result, extra="allow"):
    """Whatever a step hands over."""


def mail_of(summary: Summary, run: RunFolder, mlflow: str = "", airflow_url: str = "") -> Mail:
    """The mail about a run; the addresses are those of servers with pages, or empty."""
    code = exit_code_of(summary)
    tone, headline = HEADLINES.get(summary.outcome, ("bad", _failed(summary, code)))
    return Mail(
        tone=tone,
        pipeline=summary.pipeline,
        headline=headline,
        reasons=[_failure_line(failure) for failure in summary.failures] or [summary.reason],
        next_step=_next_step(summary, code),
        facts=list(_facts(summary, run)),
        gates=[_gate(gate) for gate in summary.gates if gate.verdict != "passed"],
        candidates=[{key: _short(value) for key, value in row.items()} for row in summary.candidates],
        links=list(_links(summary, run, mlflow, airflow_url)),
    )


def exit_code_of(summary: Summary) -> int:
    """The exit code that says most about a run that failed; 0 without a failed step."""
    codes = {failure.exit_code for failure in summary.failures}
    return next(
        (code for code in (MODEL_REFUSED, DATA_REFUSED, CONFIGURATION_WRONG) if code in codes), 1 if codes else 0
    )


def subject_of(summary: Summary, prefix: str) -> str:
    """`prefix: pipeline outcome`, and for data that is refused that it is the data."""
    issue = f": {DATA_ISSUE}" if exit_code_of(summary) == DATA_REFUSED else ""
    return f"{prefix}: {summary.pipeline} {summary.outcome}{issue}"


def _next_step(summary: Summary, code: int) -> str:
    if summary.failures and all(needs_store(failure) for failure in summary.failures):
        return PUBLISH_AGAIN
    return NEXT_OF_EXIT_CODE.get(code, NEXT[summary.outcome])


def _failed(summary: Summary, code: int) -> str:
    if code in OF_EXIT_CODE:
        return OF_EXIT_CODE[code]
    steps = " and ".join(dict.fromkeys(failure.step for failure in summary.failures))
    return f"The run failed in {steps}" if steps else "The run failed"


def _failure_line(failure: Failure) -> str:
    name = " ".join(part for part in (failure.step, failure.algorithm) if part)
    return f"{name}: {failure.error}: {failure.message}"


def _facts(summary: Summary, run: RunFolder) -> Iterator[tuple[str, str]]:
    if summary.outcome in {"refused", "failed", "unfinished"}:
        yield "Fall back", _fall_back(run)
    if summary.model.name and summary.model.version:
        aliases = ", ".join(f"{alias} → {version}" for alias, version in sorted(summary.model.aliases.items()))
        yield "Model", f"{summary.model.name} version {summary.model.version} ({aliases or 'no aliases'})"
    if summary.data is not None:
        sample = "BUILT-IN SAMPLE, not real data: " if summary.data.sample else ""
        yield "Data", f"{sample}{summary.data.source} ({summary.data.rows:,} rows, digest {summary.data.digest[:12]})"
    if summary.validation and summary.validation["warnings"]:
        yield "Warnings", "; ".join(summary.validation["warnings"])
    if summary.drift and summary.drift["status"] == "drifted":
        yield "Drift", f"{summary.drift['share']:.0%} of the columns: {', '.join(summary.drift['drifted'])}"
    if summary.rule:
        yield "Rule", summary.rule
    for answer in summary.approvals:
        yield "Approval", answer.reason
    yield from ((name, value) for name, value in (("Started", summary.triggered_by), ("Note", summary.note)) if value)
    if summary.memory:
        yield "Memory", memory_text(summary)


def _fall_back(run: RunFolder) -> str:
    try:
        return fall_back(run)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)
        return "no alias moves before `promote`, and the run folder, which tells the version, cannot be read"


def start_of(run: RunFolder) -> StartResult | None:
    """What `start` handed over, or None; a store that is away must not keep a mail back."""
    try:
        return run.at("start").result_or_none(StartResult)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)
        return None


def _page_of(run: RunFolder) -> str:
    try:
        return str(getattr(run.at("report").result_or_none(_WholeReport), "page", ""))
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)
        return ""


def _gate(gate: object) -> dict[str, str]:
    verdict = VERDICTS[getattr(gate, "verdict", "failed")]
    shown = {name: _short(getattr(gate, name, None)) for name in ("value", "limit", "production")}
    return {"gate": str(getattr(gate, "name", "")), **shown, "verdict": verdict}


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _links(summary: Summary, run: RunFolder, mlflow: str, airflow_url: str) -> Iterator[tuple[str, str]]:
    if page := _page_of(run):
        yield "Report", page
    start = start_of(run)
    if start is not None and mlflow:
        yield "MLflow run", f"{mlflow}/#/experiments/{start.experiment_id}/runs/{start.run_id}"
    if airflow_url:
        yield "Airflow run", airflow_url
    yield "Run folder", summary.run
