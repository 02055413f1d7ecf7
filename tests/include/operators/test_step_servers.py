"""Fork servers for the steps of a run: only where one process runs them all, and never in the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from include.environment.settings import STEP_SERVER, inherited_environment, run_environment
from include.operators import step_servers as module
from include.operators.local import LocalStepOperator
from include.operators.step_servers import StepServers, step_servers
from trainer.environment import python_environment
from trainer.pipeline import Pipeline
from trainer.process.forked import ForkServer
from trainer.run import RunFolder

PATIENCE = 20
SCHEDULED = ["/venv/bin/airflow", "scheduler"]
BY_HAND = ["/venv/bin/airflow", "dags", "test", "churn_training"]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ForkServer]]:
    """The servers that a test has launched; they import nothing."""
    servers: list[ForkServer] = []

    def launch(*_: object) -> ForkServer:
        servers.append(ForkServer.launch([], python_environment()))
        return servers[-1]

    monkeypatch.setattr(module, "launch_step_server", launch)
    monkeypatch.setattr(module, "launch_scoring_server", launch)
    step_servers.cache_clear()
    yield servers
    step_servers.cache_clear()
    for server in servers:
        server.close()
        server.wait(PATIENCE)


def test_under_a_scheduler_there_are_none(launched: list[ForkServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", SCHEDULED)
    assert step_servers() is None
    assert launched == []


def test_a_run_by_hand_has_two_of_its_own(launched: list[ForkServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", BY_HAND)
    servers = step_servers()
    assert servers is not None
    assert [servers.steps, servers.scoring] == launched
    assert step_servers() is servers


def test_the_server_of_make_run_is_taken(
    launched: list[ForkServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ForkServer.launch([], python_environment())
    launched.append(given)
    number = os.dup(given.fileno())
    monkeypatch.setenv(STEP_SERVER, run_environment(tmp_path / "folder", number)[STEP_SERVER])
    monkeypatch.setattr(sys, "argv", BY_HAND)
    servers = step_servers()
    assert servers is not None
    assert servers.steps.fileno() == number
    assert not os.get_inheritable(number)
    assert [servers.scoring] == launched[1:]
    assert STEP_SERVER not in inherited_environment()
    servers.steps.close()


def test_a_step_goes_on_without_a_server_that_was_killed(
    home: Any,
    launched: list[ForkServer],
    small_churn: Pipeline,
    begin: Callable[..., RunFolder],
    evaluate: Callable[..., RunFolder],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = begin(RunFolder.open(f"file://{home}/.runs/churn/manual__1-a1b2c3"), small_churn)
    evaluate(run, auc_roc=0.81)
    server = ForkServer.launch([], python_environment())
    launched.append(server)
    assert server._process is not None
    server._process.kill()
    server.wait(PATIENCE)
    monkeypatch.setattr("include.operators.local.step_servers", lambda: StepServers(server, server))
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    decide: Any = LocalStepOperator(task_id="decide", step="decide", run=run.uri)
    assert decide.execute({"run_id": "manual__1"})["outcome"] == "promote"
    assert "the fork server has ended: this step starts an interpreter of its own" in capfd.readouterr().out
