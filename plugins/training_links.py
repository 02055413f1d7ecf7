"""Links on a training task: to its MLflow run, and to the page that it wrote."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

from include.environment.settings import load_settings
from plugins.training_pages import DECISION, page_address, read_file, run_has

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

logger = logging.getLogger(__name__)

PAGE_OF_STEP = {"validate": "validation.html", "detect_drift": "drift.html", "decide": DECISION}
"""The other steps are told about in the run's report."""
REPORT = "report.html"


class MlflowLink(BaseOperatorLink):
    """To the MLflow run that the task logged to: a training job's own, else the run's parent."""

    name = "MLflow run"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  (Airflow's signature)
        return _or_none(_mlflow_link, ti_key)


class PageLink(BaseOperatorLink):
    """To the page that the task wrote, or to the run's report."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  (Airflow's signature)
        return _or_none(_page_link, ti_key)


class TrainingLinksPlugin(AirflowPlugin):
    """On every task of every DAG; where there is nothing to open, Airflow shows no link."""

    name = "training_links"
    global_operator_extra_links = [MlflowLink(), PageLink()]


def _or_none(link: Any, ti_key: TaskInstanceKey) -> str:
    try:
        return str(link(ti_key))
    except Exception:  # a store that is away must not take the task's other links with it
        logger.exception("no link for %s", ti_key)
        return ""


def _mlflow_link(ti_key: TaskInstanceKey) -> str:
    address = load_settings().mlflow.address
    start = _result(ti_key, "start")
    if not address or start is None:
        return ""
    run_id = (_result(ti_key, _folder(ti_key.task_id)) or {}).get("run_id") or start["run_id"]
    return f"{address}/#/experiments/{quote(start['experiment_id'])}/runs/{quote(run_id)}"


def _page_link(ti_key: TaskInstanceKey) -> str:
    name = PAGE_OF_STEP.get(ti_key.task_id, REPORT)
    return page_address(ti_key.dag_id, ti_key.run_id, name) if run_has(ti_key.dag_id, ti_key.run_id, name) else ""


def _folder(task_id: str) -> str:
    """A task's folder in the run folder: `xgboost.train` has `train/xgboost`."""
    return "/".join(reversed(task_id.split(".")))


def _result(ti_key: TaskInstanceKey, folder: str) -> dict[str, Any] | None:
    text = read_file(ti_key.dag_id, ti_key.run_id, f"{folder}/result.json")
    return None if text is None else json.loads(text)
