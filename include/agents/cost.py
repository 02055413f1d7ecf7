"""The cost of a training run, as its steps have counted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.agents.answers import Answer
from include.agents.clients import airflow
from include.agents.errors import NotFoundError, ToolError
from include.agents.names import parse_job

if TYPE_CHECKING:
    from include.agents.airflow_api import AirflowApi
    from include.agents.names import Job

ENDED = ("success", "failed")
AT_WORK = ("running", "up_for_retry", "restarting", "deferred")


class StepCost(Answer):
    """The cost of one step: cores x rate x hours, and the same for GPUs."""

    step: str
    seconds: float
    cores: float
    gpus: int
    usd: float


class TrainingCost(Answer):
    """US dollars."""

    job_name: str
    state: str
    is_final: bool
    """False: the cost so far, of the steps that have ended."""
    total_usd: float
    cpu_usd: float
    gpu_usd: float
    steps: list[StepCost]
    still_running: list[str]
    """Steps whose cost is not yet counted."""
    message: str


def calculate_training_cost(job_name: str) -> TrainingCost:
    """Return the cost of a training run: cores x rate x hours of each step, and the same for its GPUs.

    245.3 s on 4 cores at 0.05 dollars per core and hour cost 0.0136 dollars. While a run is going on, it is the cost so
    far, of the steps that have ended. The last try of a step counts; earlier ones are not part of it.

    :param job_name: `<dag_id>/<run_id>`, as `trigger_training_job` gives
    Raises ToolError if there is no such run, or if its environment has no rates.
    """
    job, api = parse_job(job_name, of_training=True), airflow()
    run, tasks = api.run(job), api.tasks(job)
    state = str(run["state"])
    records = {
        str(one["task_id"]): _record(api, job, str(one["task_id"])) for one in tasks if one["state"] == "success"
    }
    steps = [_cost(name, record) for name, record in records.items() if _has_cost(record)]
    measured = [name for name, record in records.items() if isinstance(record, dict) and record.get("cores")]
    if measured and not steps:
        raise ToolError(f"{job.name}: its environment has no cost rates (rates.cpu_core_hour, rates.gpu_hour)")
    gpu_usd = sum(float(record.get("cost_gpu_usd") or 0) for record in records.values() if _has_cost(record))
    total, running = sum(step.usd for step in steps), [str(one["task_id"]) for one in tasks if one["state"] in AT_WORK]
    is_final = state in ENDED
    return TrainingCost(
        job_name=job.name, state=state, is_final=is_final, total_usd=total, cpu_usd=total - gpu_usd, gpu_usd=gpu_usd,
        steps=steps, still_running=running, message=_sentence(job, total, len(steps), running, is_final=is_final),
    )  # fmt: skip


def _sentence(job: Job, total: float, steps: int, running: list[str], *, is_final: bool) -> str:
    if is_final:
        return f"{job.name} cost ${total:.4f} in {steps} steps"
    busy = f"; not yet counted: {', '.join(running)}" if running else ""
    return f"{job.name} has cost ${total:.4f} so far, in the {steps} steps that have ended{busy}"


def _record(api: AirflowApi, job: Job, task_id: str) -> Any:
    """Return the record that a task has handed over; None for a task without one."""
    path = f"{job.path}/taskInstances/{quote(task_id, safe='')}/xcomEntries/return_value"
    try:
        return api.get(path, deserialize="false", stringify="false").get("value")
    except NotFoundError:
        return None


def _has_cost(record: Any) -> bool:
    return isinstance(record, dict) and record.get("cost_usd") is not None


def _cost(name: str, record: dict[str, Any]) -> StepCost:
    return StepCost(
        step=name, seconds=float(record["seconds"]), cores=float(record.get("cores") or 0),
        gpus=int(record.get("gpus") or 0), usd=float(record["cost_usd"]),
    )  # fmt: skip
