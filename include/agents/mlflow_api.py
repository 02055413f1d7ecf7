"""MLflow's REST API, asked as the user of the settings."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from include.agents.errors import ToolError
from include.agents.rest import JsonApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.agents.settings import AgentSettings

API = "/api/2.0/mlflow"
PAGE = 1000
MOST_PAGES = 100


class MlflowApi:
    """A client of MLflow's server."""

    def __init__(self, settings: AgentSettings) -> None:
        self._headers = _headers(settings)
        self._api = JsonApi(
            "MLflow", settings.mlflow_url, "AGENTS_MLFLOW_URL",
            "AGENTS_MLFLOW_TOKEN, or AGENTS_MLFLOW_USERNAME and AGENTS_MLFLOW_PASSWORD",
            settings.timeout_seconds, settings.secrets,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """Return the address of MLflow's UI."""
        return self._api.address

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what is at a path below `/api/2.0/mlflow`. Raises ToolError."""
        return self._object(self._api.ask("GET", f"{API}/{path}", query=query, headers=self._headers))

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        """Return the answer to a search. Raises ToolError."""
        return self._object(self._api.ask("POST", f"{API}/{path}", content=content, headers=self._headers))

    def pages(self, method: str, path: str, key: str, **given: Any) -> Iterator[dict[str, Any]]:
        """Return all items of a search, page by page. Raises ToolError."""
        ask, token = (self.post if method == "POST" else self.get), ""
        for _ in range(MOST_PAGES):
            answer = ask(path, **given, **({"page_token": token} if token else {}))
            found = answer.get(key, [])  # MLflow leaves an empty list out
            if not isinstance(found, list):
                raise ToolError(f"MLflow's answer has no list {key!r}; is AGENTS_MLFLOW_URL its address?")
            yield from found
            token = str(answer.get("next_page_token") or "")
            if not token:
                return

    @staticmethod
    def _object(answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise ToolError("MLflow's answer is not a JSON object; is AGENTS_MLFLOW_URL its address?")
        return answer


def _headers(settings: AgentSettings) -> dict[str, str]:
    login = settings.mlflow
    if login.token:
        return {"Authorization": f"Bearer {login.token}"}
    if login.user:
        pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


def quoted(text: str) -> str:
    """Return a string as MLflow's filters take it. Raises ToolError for one that no filter can hold.

    >>> quoted("churn")
    "'churn'"
    """
    if "'" in text and '"' in text:
        raise ToolError("a name with both kinds of quotes cannot be searched for in MLflow")
    sign = '"' if "'" in text else "'"
    return f"{sign}{text}{sign}"


def pairs(listed: Any) -> dict[str, Any]:
    """Return MLflow's lists of key and value as a dictionary."""
    return {one["key"]: one.get("value", "") for one in listed or []}
