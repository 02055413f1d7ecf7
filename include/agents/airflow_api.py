"""Airflow's REST API, asked as the user of the settings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.agents.errors import LoginError, NotFoundError, ToolError
from include.agents.rest import JsonApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.agents.names import Job
    from include.agents.settings import AgentSettings

API = "/api/v2"
PAGE = 100
"""Items of a page; the most that Airflow gives."""
MOST_PAGES = 200


class AirflowApi:
    """A client of Airflow's API server. It asks for a token where it is given a user and a password."""

    def __init__(self, settings: AgentSettings) -> None:
        self._login = settings.airflow
        self._api = JsonApi(
            "Airflow", settings.airflow_url, "AGENTS_AIRFLOW_URL",
            "AGENTS_AIRFLOW_TOKEN, or AGENTS_AIRFLOW_USERNAME and AGENTS_AIRFLOW_PASSWORD",
            settings.timeout_seconds, settings.secrets,
        )  # fmt: skip
        self._token = settings.airflow.token
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Return the address of Airflow's UI."""
        return self._api.address

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what is at a path below `/api/v2`. Raises ToolError."""
        return self._object(self._ask("GET", f"{API}{path}", query=query))

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to what is sent to a path below `/api/v2`. Raises ToolError."""
        return self._object(self._ask("POST", f"{API}{path}", content=content))

    def items(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Return all items of a list, page by page. Raises ToolError."""
        for number in range(MOST_PAGES):
            page = self.get(path, limit=PAGE, offset=number * PAGE, **query)
            found = page.get(key)
            if not isinstance(found, list):
                raise ToolError(f"Airflow's answer has no list {key!r}; is AGENTS_AIRFLOW_URL its address?")
            yield from found
            if len(found) < PAGE or (number + 1) * PAGE >= int(page.get("total_entries") or 0):
                return

    def dag(self, dag_id: str) -> dict[str, Any]:
        """Return a DAG with its form. Raises NotFoundError."""
        return self.get(f"/dags/{quote(dag_id, safe='')}/details")

    def run(self, job: Job) -> dict[str, Any]:
        """Return a run of a DAG. Raises ToolError if there is none."""
        try:
            return self.get(job.path)
        except NotFoundError as error:
            raise NotFoundError(f"there is no run {job.name}; see the runs of {job.dag_id} in Airflow") from error

    def tasks(self, job: Job) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        return list(self.items(f"{job.path}/taskInstances", "task_instances"))

    def start(self, dag_id: str, conf: dict[str, Any], note: str) -> dict[str, Any]:
        """Start a run of a DAG; returns it."""
        content = {"logical_date": None, "conf": conf, "note": note}
        return self.post(f"/dags/{quote(dag_id, safe='')}/dagRuns", content)

    def page_of_run(self, job: Job, name: str) -> dict[str, Any] | None:
        """Return a JSON record of a training run's folder, as the plugin serves it to this user; None without one."""
        path = f"/training-runs/{job.dag_id}/{quote(job.run_id, safe='')}/{name}"
        try:
            return self._object(self._ask("GET", path))
        except NotFoundError:
            return None

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        token = self._current_token()
        try:
            return self._api.ask(method, path, headers=_bearer(token), **given)
        except LoginError:
            if not self._forget(token):
                raise
        return self._api.ask(method, path, headers=_bearer(self._current_token()), **given)

    def _current_token(self) -> str:
        with self._lock:
            if not self._token and self._login.user:
                self._token = self._new_token()
            return self._token

    def _forget(self, token: str) -> bool:
        """Forget a token that has expired; returns False for one that cannot be renewed."""
        with self._lock:
            if not self._login.user or self._login.token:
                return False
            if self._token == token:
                self._token = ""
            return True

    def _new_token(self) -> str:
        login = {"username": self._login.user, "password": self._login.password}
        answer = self._object(self._api.ask("POST", "/auth/token", content=login))
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise ToolError(
                "Airflow has given no token for AGENTS_AIRFLOW_USERNAME; is AGENTS_AIRFLOW_URL its address?"
            )
        return token

    @staticmethod
    def _object(answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise ToolError("Airflow's answer is not a JSON object; is AGENTS_AIRFLOW_URL its address?")
        return answer


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
