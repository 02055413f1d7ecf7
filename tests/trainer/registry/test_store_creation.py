"""First runs that start at once, against an MLflow store that nobody has used."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.warm import WarmServers
from trainer.errors import ConfigurationError
from trainer.registry.tracking import connect, ensure_experiment

FIRST_USE = """
import sys
from trainer.registry.store_creation import sole_creator
from trainer.registry.tracking import connect, ensure_experiment

with sole_creator(sys.argv[1]):
    print(ensure_experiment(connect(), "churn"))
"""
AT_ONCE = 3


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store without tables; that of PostgreSQL names no driver."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/mlflow.db"
    return str(request.getfixturevalue("postgres_database"))


def test_first_runs_at_once_share_one_store(
    address: str, tmp_path: Path, warm: WarmServers, surroundings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first_use.py").write_text(FIRST_USE, encoding="utf-8")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    command = [str(tmp_path / "first_use.py"), address]
    with ExitStack() as running:
        processes = [running.enter_context(warm.start(command, os.environ, tmp_path)) for _ in range(AT_ONCE)]
        said = [process.stdout.read() for process in processes]
        assert [process.wait() for process in processes] == [0] * AT_ONCE, "\n".join(said)
    assert [text.splitlines()[-1] for text in said] == ["1"] * AT_ONCE


def test_an_experiment_that_was_deleted_is_named(surroundings: object) -> None:
    client = connect()
    client.delete_experiment(ensure_experiment(client, "churn"))
    with pytest.raises(
        ConfigurationError, match=r"'churn' was deleted in MLflow; restore it with `mlflow experiments re"
    ):
        ensure_experiment(client, "churn")
