"""Addresses and logins of the agent tools, from environment variables."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from include.agents.errors import ToolError

PREFIX = "AGENTS_"
DEFAULTS = {"AIRFLOW_URL": "http://127.0.0.1:8080", "MLFLOW_URL": "http://127.0.0.1:5000", "TIMEOUT_SECONDS": "20"}
"""Addresses are those of `make ui`."""
LONGEST_TIMEOUT = 600
SHORTEST_TOKEN = 24
"""Characters of the MCP server's bearer token."""
LARGEST_PORT = 65535
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True)
class Login:
    """A token, or a user and a password; each is empty if it is not given."""

    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class AgentSettings:
    """The addresses of Airflow and MLflow, and the logins for them."""

    airflow_url: str
    mlflow_url: str
    airflow: Login
    mlflow: Login
    timeout_seconds: float
    """For a request to connect, and to be answered in full."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the tokens and passwords, which no result and no message may contain."""
        logins = (self.airflow, self.mlflow)
        return tuple(secret for one in logins for secret in (one.token, one.password) if secret)


def read_settings() -> AgentSettings:
    """Return the settings that the variables AGENTS_… give. Raises ToolError."""
    return AgentSettings(
        airflow_url=_address("AIRFLOW_URL"),
        mlflow_url=_address("MLFLOW_URL"),
        airflow=_login("AIRFLOW"),
        mlflow=_login("MLFLOW"),
        timeout_seconds=_number("TIMEOUT_SECONDS", 0.1, LONGEST_TIMEOUT),
    )


def read_mcp_token() -> str:
    """Return the bearer token that the MCP server asks its HTTP clients for. Raises ToolError."""
    token = _given("MCP_TOKEN")
    if len(token) < SHORTEST_TOKEN or not TOKEN.fullmatch(token):
        raise ToolError(
            f"AGENTS_MCP_TOKEN: at least {SHORTEST_TOKEN} characters of A-Z a-z 0-9 . _ ~ + / = - are needed, found "
            f'{len(token)} characters; set one with: export AGENTS_MCP_TOKEN="$(openssl rand -hex 24)"'
        )
    return token


def _given(name: str) -> str:
    return os.environ.get(PREFIX + name, "").strip() or DEFAULTS.get(name, "")


def _login(server: str) -> Login:
    token, user, password = (_given(f"{server}_{part}") for part in ("TOKEN", "USERNAME", "PASSWORD"))
    if bool(user) != bool(password):
        raise ToolError(f"{PREFIX}{server}_USERNAME and {PREFIX}{server}_PASSWORD: set both, or neither")
    if token and not TOKEN.fullmatch(token):  # it becomes a header, whose errors would show it
        raise ToolError(f"{PREFIX}{server}_TOKEN: a token has the characters A-Z a-z 0-9 . _ ~ + / = - only")
    return Login(token, user, password)


def _address(name: str) -> str:
    """Return an address without a slash at its end. The message of an error has no login that is part of it."""
    address, variable = _given(name).rstrip("/"), PREFIX + name
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ToolError(f"{variable}: this is not an address; expected http(s)://host:port") from None
    if "@" in parts.netloc:
        raise ToolError(f"{variable}: an address has no login; set {variable.removesuffix('URL')}TOKEN, or …USERNAME")
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise ToolError(f"{variable}: expected http(s)://host:port, optionally with a path, found {address!r}")
    return address


def _number(name: str, least: float, most: float) -> float:
    text = _given(name)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise ToolError(f"{PREFIX}{name}: expected a number from {least:g} to {most:g}, found {text!r}")
    return number


def history_file() -> Path:
    """Return the file that the prompt keeps its history in."""
    return Path(_given("HISTORY") or Path.home() / ".training_agents_history")
