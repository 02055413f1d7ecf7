"""Questions to a person: subject and body in Markdown, and the facts of the mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from airflow.sdk.configuration import conf
from pydantic import BaseModel

from include.environment.settings import load_settings
from trainer.decision import read_decision, rule_text
from trainer.run.records import StartResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.decision import DecisionResult, GateResult
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

SIGNS = {"passed": "passed", "failed": "failed", "not_better": "no gain", "may_be_worse": "may be worse"}


@dataclass(frozen=True)
class Question:
    """A question to a person."""

    pipeline: str
    run_id: str
    subject: str
    body: str
    """Markdown."""
    facts: list[tuple[str, str]]
    deadline: str
    """The consequence of no answer, as a sentence."""


def promotion_question(pipeline: Pipeline, folder: RunFolder, decision: DecisionResult, run_id: str) -> Question:
    """Return the question whether a run's challenger becomes production."""
    model, before = pipeline.registry.model, decision.compared_with
    replaces = f"replaces version {before}" if before else "is the first"
    taken = read_decision(folder)
    gates = taken.gates if taken else []
    rule = rule_text(gates)
    facts = [
        ("Why you are asked", "; ".join(decision.asks)),
        ("Decision", decision.reason),
        *([("Rule", rule)] if rule else []),
        ("Challenger", f"{decision.winner}; as production of {model} it {replaces}"),
        *_links(pipeline, folder, run_id),
    ]
    table = "\n".join(_gate_rows(gates))
    return Question(
        pipeline.name, run_id, f"{pipeline.name}: promote the new {model}?", f"{_bullets(facts)}\n\n{table}", facts,
        _deadline(pipeline, "production stays" if pipeline.approval.on_timeout == "keep" else "the model is refused"),
    )  # fmt: skip


def start_question(pipeline: Pipeline, parameters: dict[str, Any], run_id: str) -> Question:
    """Return the question whether a run may begin."""
    given = {name: value for name, value in parameters.items() if value is not None}
    facts = [
        ("Pipeline", f"{pipeline.name}: {pipeline.description}"),
        ("Parameters", ", ".join(f"{name}: {value}" for name, value in given.items())),
    ]
    deadline = _deadline(pipeline, "the run fails")
    return Question(pipeline.name, run_id, f"{pipeline.name}: start this run?", _bullets(facts), facts, deadline)


class MoveRequest(BaseModel, frozen=True):
    """A request to move production, as the form of its DAG gives it."""

    move: Literal["promotion", "rollback"]
    model: str
    version: str
    """The version that is to become production; of a rollback, the one that production leaves."""
    reason: str
    by_agent: bool
    asked_by: str
    """The user who started the run; empty if Airflow does not know."""

    @property
    def sentence(self) -> str:
        """Return who asks for it, how and why."""
        through = " through an agent tool" if self.by_agent else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.asked_by or 'somebody'} asked for this {self.move}{through}{why}"


def request_question(pipeline: Pipeline, request: MoveRequest, run_id: str) -> Question:
    """Return the question whether production moves as a request says."""
    model, version = request.model, request.version
    if request.move == "promotion":
        subject = f"make version {version} of {model} production?"
        move = (
            f"version {version} becomes production, if its run decided to promote it, and production is still what "
            "that run compared it with"
        )
    else:
        subject = f"roll {model} back from version {version}?"
        move = f"production leaves version {version} for the one before, and no run promotes until that is released"
    facts = [("Request", request.sentence), ("Move", move)]
    deadline = _hours(pipeline, "nothing moves", "The request waits until it is answered.")
    return Question(pipeline.name, run_id, f"{pipeline.name}: {subject}", _bullets(facts), facts, deadline)


def question_link(dag_id: str, run_id: str, task_id: str) -> str:
    """Return the address of the page that asks; empty if Airflow's server has no `api.base_url`.

    The provider's own link fails without that address, and ignores its path.
    """
    base = _base_url()
    return base and f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}/required_actions?map_index=-1"


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def _links(pipeline: Pipeline, folder: RunFolder, run_id: str) -> Iterator[tuple[str, str]]:
    if base := _base_url():
        yield "Report", f"{base}/training-runs/{pipeline.name}_training/{quote(run_id, safe='')}/decision"
    start, mlflow = folder.at("start").result(StartResult), load_settings().mlflow.address
    if mlflow:
        yield "MLflow run, with plots", f"{mlflow}/#/experiments/{start.experiment_id}/runs/{start.run_id}"
    yield "Run folder", folder.at("").uri_of()


def _deadline(pipeline: Pipeline, consequence: str) -> str:
    others = "until then no other run of this pipeline starts."
    without_limit = f"The run waits until it is answered; {others}"
    return _hours(pipeline, f"{consequence}; {others.removesuffix('.')}", without_limit)


def _hours(pipeline: Pipeline, consequence: str, without_limit: str) -> str:
    hours = pipeline.approval.timeout_hours
    return without_limit if hours is None else f"Without an answer within {hours:g} h {consequence}."


def _bullets(facts: list[tuple[str, str]]) -> str:
    return "\n".join(f"- **{name}**: {_shown(text)}" for name, text in facts)


def _gate_rows(gates: list[GateResult]) -> Iterator[str]:
    yield "| gate | value | limit | production | verdict |"
    yield "|---|---|---|---|---|"
    for gate in gates:
        values = " | ".join(
            "-" if value is None else f"{value:.4g}" for value in (gate.value, gate.limit, gate.production)
        )
        yield f"| {_shown(gate.name)} | {values} | {SIGNS[gate.verdict]} |"


def _shown(text: str) -> str:
    """Return a text that Markdown shows as it is; an address stays a link."""
    if text.startswith(("http://", "https://")):
        return f"<{text}>"
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
