"""MLflow away, slow or broken: a step ends in bounded time, names it, and nothing moves."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.faults.world.checks import fails
from tests.faults.world.servers import BROKEN, SILENT, Answer, Proxy, mlflow_server
from tests.faults.world.worlds import World, standing_in
from trainer.errors import OutageError
from trainer.run import RunFolder
from trainer.run.records import RegisterResult

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage

NOBODY = 9
"""A port that nothing listens on."""
BEFORE = {
    "start": "ingest", "detect_drift": "decide", "train": "tune", "refit": "train", "evaluate": "decide",
    "register": "decide", "accept": "register", "promote": "accept", "report": "accept",
}  # fmt: skip
"""Every step that uses MLflow, and the stage of a run that it is tried in."""


@pytest.fixture(autouse=True)
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest waits that MLflow's client knows."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.mark.parametrize("fault", ["unreachable", "500"])
@pytest.mark.parametrize("step", BEFORE)
def test_mlflow_that_cannot_be_used_is_named(
    step: str, fault: str, world_after: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_after(BEFORE[step])
    with Proxy(rule=lambda _method, _path: BROKEN) as proxy:
        port = NOBODY if fault == "unreachable" else proxy.port
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
        what = "is not reachable: Connection refused" if fault == "unreachable" else "answers 500, an error of its own"
        said = fails(world, step, OutageError, f"MLflow at http://127.0.0.1:{port} {what}")
    assert "secret" not in said
    assert "clear the task" in said


def test_mlflow_that_never_answers_is_given_up(
    world_after: Stage, monkeypatch: pytest.MonkeyPatch, mail: Callable[[], str]
) -> None:
    world = world_after("accept")
    with Proxy(rule=lambda _method, _path: SILENT) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address)
        said = fails(world, "promote", OutageError, f"MLflow at {proxy.address} did not answer in time")
        assert 2 <= len(proxy.seen) <= 3
    assert f"promote: OutageError: {said}" in mail()


@pytest.fixture(scope="module")
def server(stages: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A real MLflow server over the world of a run that has been decided."""
    home = tmp_path_factory.mktemp("served")
    world = stages("decide").copy_to(home)
    with mlflow_server(world, home / "server.log") as address:
        yield world, address


@pytest.fixture
def served(server: tuple[World, str]) -> Iterator[tuple[World, RunFolder, Proxy]]:
    """The world, a run of this test's own in it, and a proxy before its MLflow server."""
    world, address = server
    run = world.at(f"run-{uuid.uuid4().hex}")
    shutil.copytree(world.folder.root, run.root)
    with Proxy(address) as proxy, standing_in(World(world.home, {"MLFLOW_TRACKING_URI": proxy.address})):
        yield world, run, proxy


def test_a_server_that_goes_down_between_steps_costs_a_retry(served: tuple[World, RunFolder, Proxy]) -> None:
    world, run, proxy = served
    proxy.rule = lambda _method, path: Answer(503) if "model-versions/create" in path else None
    fails(world, "register", OutageError, f"MLflow at {proxy.address} answers 503", run)
    before = world.versions()
    proxy.rule = lambda _method, _path: None
    world.step("register", folder=run)
    assert world.versions() == [*before, run.at("register").result(RegisterResult).version]


def test_an_answer_that_comes_too_late_makes_no_second_version(
    served: tuple[World, RunFolder, Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    world, run, proxy = served
    before = world.versions()

    def late(_method: str, path: str) -> Answer | None:
        first = "model-versions/create" in path and sum("model-versions/create" in seen for seen in proxy.seen) == 1
        return SILENT if first else None

    proxy.rule = late
    with caplog.at_level(logging.WARNING, logger="trainer"):
        world.step("register", folder=run)
    registered = run.at("register").result(RegisterResult).version
    assert world.versions() == [*before, registered]
    assert f"repeats version {registered}: deleted" in caplog.text
