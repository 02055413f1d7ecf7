"""Airflow's own API server in this process, with a login, and runs to ask it for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.environment.settings import load_settings, run_address
from trainer.run import RunFolder

DAG = "churn_training"
RUN = "manual__2026-01-04T02:00:00+00:00"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that `{home}` stands for; settings are read anew."""
    monkeypatch.setenv("PIPELINES_HOME", str(tmp_path))
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "development")
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


@pytest.fixture
def run() -> RunFolder:
    """The folder of one run of churn, empty."""
    address = run_address(DAG, RUN)
    assert address is not None
    return RunFolder.open(address)


@pytest.fixture(scope="session")
def server(airflow_home: Path) -> Iterator[Any]:
    """A client of Airflow's API server as it is without `make ui`: with a login."""
    with warnings.catch_warnings():  # theirs, while they are imported
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")
        from airflow.api_fastapi.app import create_app, purge_cached_app
        from fastapi.testclient import TestClient

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of a test, " * 8)  # a short one is warned of
    with TestClient(create_app(apps="core"), raise_server_exceptions=False) as client:
        yield client
    purge_cached_app()
    monkeypatch.undo()


@pytest.fixture(scope="session")
def login(server: Any) -> Callable[[str | None], dict[str, str]]:
    """The headers of somebody with a role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def login(role: str | None) -> dict[str, str]:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
        return {"Authorization": f"Bearer {token}"}

    return login
