"""The decision of a training run, with its gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.agents.answers import Answer
from include.agents.clients import airflow
from include.agents.errors import ToolError
from include.agents.names import parse_job
from include.agents.redaction import without_secrets
from include.agents.settings import read_settings

if TYPE_CHECKING:
    from include.agents.names import Job

ENDED = ("success", "failed")


class Gate(Answer):
    """A limit that the challenger had to meet on test rows."""

    name: str
    verdict: str
    value: float | None
    limit: float | None
    production: float | None
    reason: str


class Decision(Answer):
    """The decision on a run's challenger, and its reasons."""

    job_name: str
    outcome: str
    """`promote`, `keep` or `refuse` once it is decided; of a finished run also `promoted`, `registered`, `failed`, …"""
    reason: str
    winner: str
    gates: list[Gate]
    approvals: list[str]
    """The answers of persons."""
    model: str
    version: str
    """The version that the run has registered, else that of production; empty without one."""
    aliases: dict[str, str]
    address: str
    """Airflow's page with the decision."""


def get_decision(job_name: str) -> Decision:
    """Return the decision of a training run: its outcome, the reason, every gate, and what persons have answered.

    :param job_name: `<dag_id>/<run_id>`, as `trigger_training_job` gives
    Raises ToolError if there is no such run, or if it has not come to a decision.
    """
    job, api = parse_job(job_name, of_training=True), airflow()
    run = api.run(job)
    summary = api.page_of_run(job, "summary.json") if run["state"] in ENDED else None
    record = summary or api.page_of_run(job, "decision.json")
    if record is None:
        raise ToolError(f"{job.name} is {run['state']} and has not come to a decision; see get_training_status")
    return _decision(job, record, f"{api.address}/training-runs/{job.dag_id}{job.page.partition('/runs')[2]}/decision")


def _decision(job: Job, record: dict[str, Any], address: str) -> Decision:
    model = record.get("model") or {}
    secrets = read_settings().secrets
    return Decision(
        job_name=job.name,
        outcome=str(record["outcome"]),
        reason=without_secrets(str(record["reason"]), secrets),
        winner=str(record.get("winner", "")),
        gates=[_gate(gate) for gate in record.get("gates", [])],
        approvals=[str(one["reason"]) for one in record.get("approvals", [])],
        model=str(model.get("name", "")),
        version=str(model.get("version", "")),
        aliases={str(name): str(version) for name, version in (model.get("aliases") or {}).items()},
        address=address,
    )


def _gate(gate: dict[str, Any]) -> Gate:
    return Gate(
        name=str(gate["name"]), verdict=str(gate["verdict"]), value=gate.get("value"), limit=gate.get("limit"),
        production=gate.get("production"), reason=str(gate.get("reason", "")),
    )  # fmt: skip
