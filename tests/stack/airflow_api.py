"""Airflow's REST API, asked as the first user of the stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote
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

    def answer(self, dag: str, run: str, task: str, option: str, words: str | None = None) -> None:
        """Answer a question. Raises urllib.error.HTTPError: 400 for an unknown option, 403 for a user who may not, 409
        for one that has been answered."""
        where = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/-1/hitlDetails"
        self.ask("PATCH", where, {"chosen_options": [option], "params_input": {"words": words}})

    def questions(self, dag: str) -> list[dict[str, Any]]:
        """Return the questions of a DAG that wait for an answer."""
        path = f"/dags/{dag}/dagRuns/~/hitlDetails?response_received=false&state=awaiting_input"
        return list(self.ask("GET", path)["hitl_details"])

    def clear(self, dag: str, run: str, task: str) -> None:
        """Let a task and those after it run again."""
        content = {
            "dry_run": False, "dag_run_id": run, "task_ids": [task], "include_downstream": True, "only_failed": False,
            "reset_dag_runs": True,
        }  # fmt: skip
        self.ask("POST", f"/dags/{dag}/clearTaskInstances", content)

    def create_user(self, name: str, role: str, password: str) -> AirflowApi:
        """Create a user; returns a client that is logged in as that."""
        user = {
            "username": name, "password": password, "email": f"{name}@example.com", "first_name": name, "last_name": name,
            "roles": [{"name": role}],
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {self._token}"}
        _ask("POST", f"{self.address}/auth/fab/v1/users", user, headers)
        return AirflowApi(self.address, name, password)

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a run by task id."""
        found = self.ask("GET", f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances?limit=200")["task_instances"]
        return {task["task_id"]: task for task in found}


def _ask(method: str, address: str, content: dict[str, Any] | None, headers: dict[str, str]) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = Request(address, body, {"Content-Type": "application/json", **headers}, method=method)
    with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
        text = response.read()
        return json.loads(text) if text else None
