"""The state of a run: its tasks, how far training has come, and the last lines of its log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.agents.answers import Answer
from include.agents.clients import airflow
from include.agents.errors import ToolError
from include.agents.names import parse_job
from include.agents.redaction import without_secrets
from include.agents.settings import read_settings
from include.agents.trigger import question_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.agents.airflow_api import AirflowApi
    from include.agents.names import Job

WAITS = "awaiting_input"
BUSY = ("running", "up_for_retry", "restarting")
ENDED_BADLY = ("failed", "upstream_failed")
LAST_LINES = 20
LONGEST_LINE = 500
MOST_LOGS = 4
"""Tasks whose logs are read: those that are busy, else the last to end."""
PROGRESS = re.compile(r"(?P<what>trial|epoch) (?P<done>\d+)/(?P<of>\d+)")


class TaskState(Answer):
    """A task of a run."""

    task_id: str
    state: str
    """Empty: not yet scheduled."""
    tries: int
    seconds: float | None


class Progress(Answer):
    """The progress of a task."""

    task_id: str
    unit: str
    """`trial` or `epoch`."""
    done: int
    of: int


class TrainingStatus(Answer):
    """A run and its tasks."""

    job_name: str
    state: str
    started_at: str
    ended_at: str
    """ISO 8601, UTC; empty if it has not come to that."""
    tasks: list[TaskState]
    progress: list[Progress]
    """Of the tasks that run, as far as their logs say it."""
    log_task: str
    """The task that the log lines are of."""
    log_lines: list[str]
    """The last 20 lines, without secrets."""
    question: str
    """Airflow's page on which a person has to answer; empty if nothing waits for that."""
    address: str
    message: str


def get_training_status(job_name: str) -> TrainingStatus:
    """Return the state of a run: its tasks, the progress of trials or epochs, and the last lines of its log.

    :param job_name: `<dag_id>/<run_id>`, as `trigger_training_job` gives
    Raises ToolError if there is no such run, or if Airflow does not answer.
    """
    job, api = parse_job(job_name), airflow()
    run, tasks = api.run(job), api.tasks(job)
    logs, problem = _logs(api, job, _telling(tasks))
    task, lines = next(reversed(logs.items()), ("", []))
    waiting = [one for one in tasks if one.get("state") == WAITS]
    question = question_page(api.address, job, str(waiting[0]["task_id"])) if waiting else ""
    return TrainingStatus(
        job_name=job.name,
        state=str(run["state"]),
        started_at=str(run.get("start_date") or ""),
        ended_at=str(run.get("end_date") or ""),
        tasks=[_task(one) for one in tasks],
        progress=[*_progress(logs)],
        log_task=task,
        log_lines=lines[-LAST_LINES:],
        question=question,
        address=f"{api.address}{job.page}",
        message="; ".join(filter(None, (_sentence(str(run["state"]), tasks, question), problem))),
    )


def _telling(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks whose logs say most, the most telling last."""
    busy = [one for one in tasks if one.get("state") in BUSY and one.get("try_number")]
    ended = [one for one in tasks if one.get("state") in ("failed", "success") and one.get("try_number")]
    failed = [one for one in ended if one["state"] == "failed"]
    chosen = busy or failed or ended
    return sorted(chosen, key=lambda one: str(one.get("end_date") or one.get("start_date") or ""))[-MOST_LOGS:]


def _logs(api: AirflowApi, job: Job, tasks: list[dict[str, Any]]) -> tuple[dict[str, list[str]], str]:
    """Return the log lines of tasks, and what stood in the way of reading one."""
    found, problem = dict[str, list[str]](), ""
    for task in tasks:
        path = f"{job.path}/taskInstances/{quote(str(task['task_id']), safe='')}/logs/{int(task['try_number'])}"
        try:
            content = api.get(path, map_index=int(task.get("map_index", -1)), full_content="true").get("content")
            found[str(task["task_id"])] = [*_lines(content)]
        except ToolError as error:
            problem = f"the log of {task['task_id']} cannot be read: {error}"
    return found, problem


def _lines(content: Any) -> Iterator[str]:
    secrets = read_settings().secrets
    events = content if isinstance(content, list) else []
    for event in events:
        if not event.get("timestamp"):  # Airflow's own lines about the places where it looked for the log
            continue
        for line in str(event.get("event", "")).splitlines():
            yield without_secrets(line, secrets)[:LONGEST_LINE]


def _progress(logs: dict[str, list[str]]) -> Iterator[Progress]:
    for task, lines in logs.items():
        found = next((match for line in reversed(lines) if (match := PROGRESS.search(line))), None)
        if found:
            yield Progress(task_id=task, unit=found["what"], done=int(found["done"]), of=int(found["of"]))


def _task(found: dict[str, Any]) -> TaskState:
    return TaskState(
        task_id=str(found["task_id"]), state=str(found.get("state") or ""), tries=int(found.get("try_number") or 0),
        seconds=found.get("duration"),
    )  # fmt: skip


def _sentence(state: str, tasks: list[dict[str, Any]], question: str) -> str:
    if question:
        return f"a person has to answer: {question}"
    names = [str(one["task_id"]) for one in tasks if one.get("state") in BUSY]
    failed = [str(one["task_id"]) for one in tasks if one.get("state") == "failed"]
    if failed:
        return f"{state}; failed: {', '.join(failed)}"
    return f"{state}; at work: {', '.join(names)}" if names else state
