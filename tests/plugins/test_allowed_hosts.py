"""Only names of loopback reach an Airflow that knows no login."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.environment.settings import ui_environment
from plugins.allowed_hosts import _middlewares


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of an application with the middlewares that `make ui` adds."""
    monkeypatch.setenv("PIPELINES_ALLOWED_HOSTS", ui_environment(8080, "")["PIPELINES_ALLOWED_HOSTS"])
    app = FastAPI()
    for one in _middlewares():
        app.add_middleware(one["middleware"], *one["args"], **one["kwargs"])
    app.get("/")(lambda: {"answers": True})
    return TestClient(app)


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8080", 200), ("localhost:8080", 200), ("evil.example:8080", 400), ("127.0.0.1.evil.example", 400)],
)
def test_a_name_of_the_internet_gets_no_answer(client: TestClient, host: str, status: int) -> None:
    assert client.get("/", headers={"Host": host}).status_code == status


def test_elsewhere_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINES_ALLOWED_HOSTS", raising=False)
    assert _middlewares() == []
