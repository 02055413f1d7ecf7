"""Servers that misbehave: one clear message each, in time, and no secret in it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from include.agents import rest
from include.agents.errors import ToolError
from include.agents.experiments import list_mlflow_experiments
from include.agents.pipelines import list_pipelines
from include.agents.tools import guarded
from tests.include.agents.conftest import PASSWORD, TOKEN, Asked, Server
from tests.server import free_port

CALLS: dict[str, Callable[[], Any]] = {"Airflow": list_pipelines, "MLflow": list_mlflow_experiments}


def dripping(asked: Asked) -> None:
    """Send a body that never ends, a byte at a time, until the client goes."""
    handler = asked.handler
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def silent(asked: Asked) -> None:
    time.sleep(0.6)


def huge(asked: Asked) -> tuple[int, bytes]:
    return 200, b"[" + b"1," * 200_000 + b"1]"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, b'{"detail": "Invalid JWT"}'), r"does not accept the login \(401\): Invalid JWT; set AGENTS_"),
        ((403, b'{"detail": "Forbidden"}'), r"this user may not do that \(403\): Forbidden"),
        ((404, b"<!doctype html>no"), r"has no such thing \(404\): with HTML rather than JSON"),
        ((422, b'{"detail": [{"loc": ["query", "limit"], "msg": "too large"}]}'), r"refuses the request \(422\): query.limit: too large"),
        ((500, b""), r"has failed \(500\)"),
        ((302, b""), r"redirects \(302\); set AGENTS_"),
        ((200, b"<html><body>Sign in</body></html>"), "answered with HTML rather than JSON; is AGENTS_"),
        ((200, b"{"), "answered with something rather than JSON"),
        ((200, b"[" * 100_000), "answered with something rather than JSON"),
        ((200, b"[]"), "is not a JSON object"),
        ((200, b'{"dags": 1, "experiments": 1}'), "has no list"),
        ((200, b'{"dags": [1], "experiments": [{}]}'), "in a form that is not understood"),
        ((500, f'{{"detail": "{TOKEN} and {PASSWORD}"}}'.encode()), r"has failed \(500\): \*\*\* and \*\*\*"),
        (silent, "has not answered within 0.3 s"),
        (dripping, "has not answered within 0.3 s"),
        (huge, "the answer is larger than 0 MB"),
    ],
    ids=[
        "401", "403", "404", "422", "500", "302", "HTML", "no JSON", "nested", "a list", "another form", "another form inside",
        "a secret", "silent", "dripping", "huge",
    ],
)  # fmt: skip
def test_a_server_that_misbehaves(
    server: Server, name: str, answer: Any, message: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(rest, "LARGEST_BODY", 300_000)
    if answer in (silent, dripping):
        monkeypatch.setenv("AGENTS_TIMEOUT_SECONDS", "0.3")
    server.routes["/"] = answer
    began = time.monotonic()
    with pytest.raises(ToolError, match=message) as error:
        guarded(CALLS[name])()
    assert time.monotonic() - began < 10
    assert name in str(error.value)
    for secret in (TOKEN, PASSWORD):
        assert secret not in str(error.value)
        assert secret not in caplog.text


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_is_away(server: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv(f"AGENTS_{name.upper()}_URL", address)
    with pytest.raises(ToolError, match=f"{name} cannot be reached at {address}: "):
        CALLS[name]()


def test_logins_are_sent_as_each_server_takes_them(airflow: Server) -> None:
    list_pipelines()
    airflow.routes["/api/2.0"] = {}
    list_mlflow_experiments()
    assert [asked.headers["Authorization"].split()[0] for asked in airflow.asked] == ["Bearer", "Basic"]


def test_an_expired_token_is_renewed_once(airflow: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTS_AIRFLOW_TOKEN")
    monkeypatch.setenv("AGENTS_AIRFLOW_USERNAME", "ann")
    monkeypatch.setenv("AGENTS_AIRFLOW_PASSWORD", "pw-of-ann")
    tokens = iter(["first", "second", "third"])
    airflow.routes["/auth/token"] = lambda _: {"access_token": next(tokens)}
    answer = airflow.routes["/api/v2/dags"]
    valid = {"Bearer second"}
    airflow.routes["/api/v2/dags"] = lambda asked: (
        answer(asked) if asked.headers["Authorization"] in valid else (401, b"{}")
    )
    assert len(list_pipelines().pipelines) == 2
    valid.clear()
    with pytest.raises(ToolError, match="does not accept the login"):
        list_pipelines()
