"""The pages of a run, for whoever may read its DAG, and the tab "Decision" of a DAG run."""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from include.environment.settings import load_settings, run_address
from plugins.decision_page import decision_page, no_decision_page

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from fastapi import FastAPI, Response

logger = logging.getLogger(__name__)

PREFIX = "/training-runs"
DECISION = "decision"
WAITING_FILE = "waiting.json"
"""Beside a pipeline's run folders: the run of it that waits for a person's answer."""
PIPELINE_FILE = "pipeline.yaml"
"""The step `start` writes it."""
WAITING_FIELDS = ("run_id", "step", "question", "link", "asked_at")
ASKING_STEPS = ("approve", "approve_start")
FILES = {
    "report.html": "report.html",
    "validation.html": "validate/validation.html",
    "drift.html": "detect_drift/drift.html",
    "decision.json": "decide/decision.json",
    "summary.json": "summary.json",
}
"""What of a run folder a browser may have, and where it is; nothing else is served."""
TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}
OWN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'"
POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data: blob:; font-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; form-action 'none'"
)
"""Of a page that a step wrote: its scripts may draw, but have no origin, and reach neither Airflow nor the network."""


class _Application:
    """The application, made when a browser first asks: every process of Airflow imports its plugins."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await application()(scope, receive, send)


class TrainingPagesPlugin(AirflowPlugin):
    """Serves the pages, and shows the decision on every DAG run."""

    name = "training_pages"
    fastapi_apps = [{"name": "training pages", "app": _Application(), "url_prefix": PREFIX}]
    external_views = [
        {
            "name": "Decision",
            "destination": "dag_run",
            "url_route": "decision",
            "href": f"{PREFIX}/{{DAG_ID}}/{{RUN_ID}}/{DECISION}",
        }
    ]


@cache
def application() -> FastAPI:
    """What is served, all of it behind Airflow's own authentication and the right to read the DAG's runs."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI

    app = FastAPI(
        title="Pages of training runs",
        dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))],
        docs_url=None,  # these three would be open to all
        redoc_url=None,
        openapi_url=None,
    )
    app.get("/{dag_id}/{run_id}/" + DECISION)(_decision)
    app.get("/{dag_id}/{run_id}/{name}")(_page)
    return app


def page_address(dag_id: str, run_id: str, name: str) -> str:
    """The address of a page on Airflow's server."""
    return f"{_base_path()}{PREFIX}/{quote(dag_id, safe='')}/{quote(run_id, safe='')}/{name}"


def run_has(dag_id: str, run_id: str, name: str) -> bool:
    """Whether a run has a page."""
    if name == DECISION:
        return run_has(dag_id, run_id, "summary.json") or run_has(dag_id, run_id, "decision.json")
    file = _file(dag_id, run_id, FILES[name])
    return file is not None and file.is_file()


def read_file(dag_id: str, run_id: str, name: str) -> bytes | None:
    """A file of a run folder; None where there is none."""
    return _content(_file(dag_id, run_id, name))


def waiting_run(dag_id: str, run_id: str) -> dict[str, str] | None:
    """Return the run of the same pipeline that waits for an answer, or None.

    A run that was killed, marked failed or deleted while it waited leaves its record; once the next run has begun, it
    shows nothing of it. A record that cannot be read is logged, and counts as none.
    """
    address = run_address(dag_id, run_id)
    found = None if address is None else _content(_opened(f"{address.rpartition('/')[0]}/{WAITING_FILE}"))
    waiting = None if found is None else _waiting_record(found)
    if waiting is None or _has_ended(dag_id, waiting):
        return None
    has_begun = read_file(dag_id, run_id, PIPELINE_FILE) is not None
    return None if has_begun and waiting["run_id"] != run_id else waiting


def _waiting_record(content: bytes) -> dict[str, str] | None:
    try:
        record = json.loads(content)
        waiting = {name: record[name] for name in WAITING_FIELDS}
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("%s cannot be read; remove it: %s: %s", WAITING_FILE, type(error).__name__, error)
        return None
    is_sound = all(isinstance(value, str) for value in waiting.values()) and waiting["step"] in ASKING_STEPS
    return waiting if is_sound else None


def _has_ended(dag_id: str, waiting: dict[str, str]) -> bool:
    ends = ("summary.json", *(f"{waiting['step']}/{name}" for name in ("result.json", "failure.json")))
    return any(read_file(dag_id, waiting["run_id"], name) is not None for name in ends)


def _base_path() -> str:
    """Where Airflow's server stands on its host, from the address that it is configured with."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def _file(dag_id: str, run_id: str, name: str) -> ObjectStoragePath | None:
    address = run_address(dag_id, run_id)
    return None if address is None else _opened(f"{address}/{name}")


def _opened(address: str) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    connection = load_settings().aws_connection if address.startswith("s3://") else None
    return ObjectStoragePath(address, conn_id=connection)


def _content(file: ObjectStoragePath | None) -> bytes | None:
    try:
        return None if file is None else bytes(file.read_bytes())
    except FileNotFoundError:
        return None


def _page(dag_id: str, run_id: str, name: str) -> Response:
    from fastapi import HTTPException, Response

    content = read_file(dag_id, run_id, FILES[name]) if name in FILES else None
    if content is None:
        raise HTTPException(404, f"{dag_id}, run {run_id}: there is no {name}")
    return Response(content, media_type=TYPES[name[name.rfind(".") :]], headers=_headers(POLICY))


def _decision(dag_id: str, run_id: str) -> Response:
    from fastapi.responses import HTMLResponse

    found = {name: read_file(dag_id, run_id, FILES[name]) for name in ("summary.json", "decision.json")}
    records = {name: json.loads(content) for name, content in found.items() if content is not None}
    if not records:
        page = no_decision_page(dag_id, run_id, waiting_run(dag_id, run_id))
        return HTMLResponse(page, 404, _headers(OWN_POLICY))
    pages = [name for name in FILES if run_has(dag_id, run_id, name)]
    page = decision_page(records.get("summary.json"), records.get("decision.json"), pages)
    return HTMLResponse(page, 200, _headers(OWN_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
