"""A run that is queued because an earlier run of its pipeline waits for an answer: a mail names the run that waits."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from include.environment.settings import load_settings
from include.mail import send
from include.operators.base import open_run
from include.operators.step_servers import is_one_process
from trainer.run import run_key
from trainer.run.waiting import waiting_run

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)


def queued_alert(pipeline: Pipeline) -> DeadlineAlert | None:
    """Return what has Airflow look at each run some minutes after it was queued; None for pipelines that ask nobody.

    None in `airflow dags test`, too: it queues no run, and Airflow 3.3.2 fails there at the end of each run that has a
    deadline.
    """
    approval = pipeline.approval
    if is_one_process() or (approval.when == "never" and not approval.start):
        return None
    minutes = approval.queued_minutes
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=minutes),
        callback=AsyncCallback(tell_queued, {"pipeline": pipeline.name, "minutes": minutes}),
    )


async def tell_queued(pipeline: str, minutes: float, context: dict[str, Any]) -> str:
    """Mail about a run that is still queued; Airflow's triggerer calls this. Returns what was done."""
    run = context["dag_run"]
    if run["state"] != "queued":
        return f"the run is {run['state']}"
    done = await asyncio.to_thread(_tell, pipeline, minutes, str(run["dag_id"]), str(run["dag_run_id"]))
    logger.info("%s, run %s: %s", pipeline, run["dag_run_id"], done)
    return done


def _tell(pipeline: str, minutes: float, dag_id: str, run_id: str) -> str:
    ahead = waiting_run(open_run(f"{load_settings().artifact_store}/{pipeline}/{run_key(run_id)}"))
    if ahead is None or _state(dag_id, ahead.run_id) != "running":
        return "no earlier run waits for an answer"
    return send.on_queued(pipeline, run_id, minutes, ahead)


def _state(dag_id: str, run_id: str) -> str:
    """Return the state of another run, as Airflow says it."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance  # only the triggerer needs it

    return RuntimeTaskInstance.get_dagrun_state(dag_id, run_id)
