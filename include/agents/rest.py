"""One JSON API over HTTP: time-outs, a largest size, and one clear error for each way to fail."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx2

from include.agents.errors import LoginError, NotFoundError, ToolError
from include.agents.redaction import without_secrets

LARGEST_BODY = 20_000_000
"""Bytes of an answer."""
LONGEST_DETAIL = 500
"""Characters of a server's own words that an error repeats."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True)
class JsonApi:
    """A server that answers with JSON."""

    name: str
    """As errors call it."""
    address: str
    variable: str
    """The environment variable that gives the address."""
    login_variables: str
    """Those that give the login, in words."""
    timeout_seconds: float
    secrets: tuple[str, ...] = ()

    def ask(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, content: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Return the answer to a request. Raises ToolError; NotFoundError if the server has no such thing."""
        try:
            status, body = self._answer(method, path, query, content, headers or {})
        except httpx2.TimeoutException:
            raise self._too_slow() from None
        except httpx2.HTTPError as error:
            raise ToolError(f"{self.name} cannot be reached at {self.address}: {self._safe(_reason(error))}") from None
        if status >= 300:  # noqa: PLR2004
            raise self._refusal(status, body)
        return self._parsed(body)

    @cached_property
    def _client(self) -> httpx2.Client:
        is_here = httpx2.URL(self.address).host in LOOPBACK  # no proxy is asked for what is on this machine
        return httpx2.Client(timeout=self.timeout_seconds, trust_env=not is_here)

    def _answer(
        self, method: str, path: str, query: dict[str, Any] | None, content: Any, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Return status and body, read in parts: a body that drips or never ends is given up."""
        end, body = time.monotonic() + self.timeout_seconds, bytearray()
        given = {"Accept": "application/json", **headers}
        with self._client.stream(
            method, f"{self.address}{path}", params=query, json=content, headers=given
        ) as response:
            for part in response.iter_bytes():
                body += part
                if len(body) > LARGEST_BODY:
                    raise ToolError(
                        f"{self.name}: the answer is larger than {LARGEST_BODY // 1_000_000} MB: ask for less"
                    )
                if time.monotonic() > end:
                    raise self._too_slow()
            return response.status_code, bytes(body)

    def _parsed(self, body: bytes) -> Any:
        if not body.strip():
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ToolError(
                f"{self.name} answered with {_kind(body)} rather than JSON; is {self.variable} ({self.address}) its "
                "address?"
            ) from None

    def _refusal(self, status: int, body: bytes) -> ToolError:
        detail = self._safe(_detail(body))
        words = f": {detail}" if detail else ""
        if status < 400:  # noqa: PLR2004
            return ToolError(f"{self.name} redirects ({status}); set {self.variable} to its own address")
        if status == 404:  # noqa: PLR2004
            return NotFoundError(f"{self.name} has no such thing (404){words}")
        if status == 401:  # noqa: PLR2004
            return LoginError(f"{self.name} does not accept the login (401){words}; set {self.login_variables}")
        if status == 403:  # noqa: PLR2004
            return ToolError(f"{self.name}: this user may not do that (403){words}")
        kind = "has failed" if status >= 500 else "refuses the request"  # noqa: PLR2004
        return ToolError(f"{self.name} {kind} ({status}){words}")

    def _too_slow(self) -> ToolError:
        return ToolError(
            f"{self.name} at {self.address} has not answered within {self.timeout_seconds:g} s "
            "(AGENTS_TIMEOUT_SECONDS); a request that writes may have been carried out"
        )

    def _safe(self, text: str) -> str:
        return without_secrets(text, self.secrets)


def _detail(body: bytes) -> str:
    """Return a server's own words in an error, as far as it has some."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "" if not body.strip() else f"with {_kind(body)} rather than JSON"
    found = content.get("detail") or content.get("message") or "" if isinstance(content, dict) else ""
    if isinstance(found, list):
        found = "; ".join(_one_mistake(one) for one in found)
    text = " ".join((found if isinstance(found, str) else json.dumps(found)).split())
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]} …"


def _one_mistake(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    return ": ".join(filter(None, (".".join(map(str, found.get("loc", []))), str(found.get("msg", "")))))


def _kind(body: bytes) -> str:
    begin = body[:500].lstrip().lower()
    return "HTML" if begin.startswith((b"<!doctype html", b"<html")) else "something"


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
