"""Training runs that monitoring starts: an asset's event beside the schedule, and the task that sends it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowRuntimeError, AirflowSkipException

from include.flows.task_docs import TASK_DOCS
from include.mail import send
from include.operators.base import open_run
from include.operators.step_servers import is_one_process
from trainer.decision import ask_for_training, retrain_by_hand
from trainer.errors import TrainerError
from trainer.run.execute import execute
from trainer.run.flow import RETRAIN
from trainer.run.waiting import waiting_run

if TYPE_CHECKING:
    from datetime import datetime

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import RetrainResult

logger = logging.getLogger(__name__)

ACTIVE = ["queued", "running"]
"""States of a run that is active; one that waits for a person is running."""
LATEST_EVENTS = 100


def retraining_asset(pipeline: str) -> Asset:
    """Return the asset whose events start a pipeline's training DAG."""
    return Asset(f"{pipeline}_retraining")


def training_schedule(pipeline: Pipeline, start: datetime) -> Any:
    """Return the schedule of a training DAG: its cron, events of monitoring if it has `retrain`, or either."""
    if pipeline.retrain is None:
        return pipeline.schedule
    assets = [retraining_asset(pipeline.name)]
    if pipeline.schedule is None:
        return assets
    from airflow.sdk import AssetOrTimeSchedule  # most pipelines do without

    cron = DAG(f"{pipeline.name}_cron", schedule=pipeline.schedule, start_date=start, auto_register=False)
    timetable: Any = cron.timetable  # as Airflow itself makes one of a cron
    return AssetOrTimeSchedule(timetable=timetable, assets=assets)


def retrain_task(pipeline: Pipeline, run: str) -> Any:
    """Return the task at the end of a look that decides about a training run, and starts it."""
    asset = retraining_asset(pipeline.name)

    @task(task_id=RETRAIN, doc_md=TASK_DOCS[RETRAIN], inlets=[asset], outlets=[asset])
    def retrain(run: str) -> dict[str, Any]:
        """Start a training run, or be skipped: a task that succeeds sends the event."""
        context: Any = get_current_context()
        folder = open_run(run).at(RETRAIN)
        own = folder.pipeline()
        result = _recorded(own, folder, Scheduler(context, f"{own.name}_training", asset))
        if result.outcome != "started" or not result.sends_event:
            raise AirflowSkipException(result.reason)
        send.on_retraining(own, folder, result)
        context["outlet_events"][asset].extra = {
            "look": folder.key,
            "reason": result.reason,
            "condition": result.decision.condition,
            "counted": result.decision.counted,
            "version": result.decision.production.version if result.decision.production else "",
        }
        return dict(result.model_dump(mode="json"))

    return retrain(run)


class Scheduler:
    """The questions that the task asks Airflow, through the task's own connection."""

    def __init__(self, context: Any, dag_id: str, asset: Asset) -> None:
        self._context, self._dag_id, self._asset = context, dag_id, asset

    def has_event(self, look: str) -> bool:
        """Return True if Airflow has an event that a look has sent."""
        events = self._context["inlet_events"][self._asset].ascending(ascending=False).limit(LATEST_EVENTS)
        return any((event.extra or {}).get("look") == look for event in events)

    def busy(self, folder: RunFolder) -> str:
        """Return the reason for which no training run can start now; empty if one can."""
        ti = self._context["ti"]
        if ti.get_dag(self._dag_id).is_paused:
            return f"{self._dag_id} is paused, and Airflow drops events of a paused DAG; unpause it"
        if active := ti.get_dr_count(self._dag_id, states=ACTIVE):
            return f"{active} run{'s' if active > 1 else ''} of {self._dag_id} is queued, running or waits for approval"
        waiting = waiting_run(folder)
        if waiting is None or self._has_ended(waiting.run_id):
            return ""
        return f"run {waiting.run_id} waits for an answer: {waiting.question}"

    def _has_ended(self, run_id: str) -> bool:
        """Return True if Airflow knows that a run has ended; a run of another Airflow may still wait."""
        try:
            return self._context["ti"].get_dagrun_state(self._dag_id, run_id) not in ACTIVE
        except AirflowRuntimeError as error:
            logger.warning("the state of run %s, which waits for an answer, is not known here: %s", run_id, error)
            return False


def _recorded(pipeline: Pipeline, folder: RunFolder, scheduler: Scheduler) -> RetrainResult:
    """Decide, and keep the decision in the run folder."""
    step = retrain_by_hand if is_one_process() else partial(ask_for_training, scheduler=scheduler)
    try:
        return execute(step, pipeline, folder)
    except TrainerError as error:
        if error.retry_can_help:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
