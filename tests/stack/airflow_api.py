"""Airflow's REST API, asked as the first user of the stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener


@dataclass(frozen=True)
class AirflowApi:
    """A client of one server, logged in with a user's password."""

    address: str
    user: str
    password: str

    @cached_property
    def _token(self) -> str:
        login = {"username": self.user, "password": self.password}
        return str(_ask("POST", f"{self.address}/auth/token", login, {})["access_token"])

    def ask(self, method: str, path: str, content: dict[str, Any] | None = None, *, login: bool = True) -> Any:
        """Return the answer to a request below /api/v2. Raises urllib.error.HTTPError."""
        headers = {"Authorization": f"Bearer {self._token}"} if login else {}
        return _ask(method, f"{self.address}/api/v2{path}", content, headers)

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, oldest first."""
        return list(self.ask("GET", f"/dags/{dag}/dagRuns?order_by=run_after")["dag_runs"])

    def trigger(self, dag: str, **conf: Any) -> str:
        """Start a run; returns its id."""
        return str(self.ask("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def unpause(self, dag: str) -> None:
        self.ask("PATCH", f"/dags/{dag}", {"is_paused": False})

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a run by task id."""
        found = self.ask("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]
        return {task["task_id"]: task for task in found}


def _ask(method: str, address: str, content: dict[str, Any] | None, headers: dict[str, str]) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = Request(address, body, {"Content-Type": "application/json", **headers}, method=method)
    with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
        return json.load(response)
