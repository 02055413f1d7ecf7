"""The fork servers of a run: what they import, and what they keep out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from trainer.process.forked import ForkServer
from trainer.process.preload import SCORING, STEPS
from trainer.process.servers import launch_scoring_server, launch_step_server

PATIENCE = 120
OF_LIBRARIES = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads that PyArrow and Polars start while they are imported; both are made for a fork."""
PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "planted-1",
    "DB_PASS": "planted-2",
    "MLFLOW_TRACKING_URI": "http://user:planted-3@mlflow",
    "AIRFLOW_CONN_X": "http://user:planted-4@x",
    "WHATEVER": "planted-5",
}
LOOK = "import json, os, sys; print(json.dumps([sorted(sys.modules), {**os.environ}, sys.path]))"


@dataclass(frozen=True)
class Warm:
    """A server that has imported its modules, and what one of its processes saw of itself."""

    process: psutil.Process
    modules: Sequence[str]
    imported: set[str]
    environment: dict[str, str]
    path: list[str]


KINDS: dict[str, tuple[Sequence[str], Callable[[], ForkServer]]] = {
    "scoring": (SCORING, launch_scoring_server),
    "steps": (STEPS, lambda: launch_step_server({"TRAINER_DATA_STORE": "file:///data"})),
}


@pytest.fixture(scope="module", params=KINDS)
def warm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    modules, launch = KINDS[request.param]
    folder = tmp_path_factory.mktemp("look")
    (folder / "look.py").write_text(LOOK)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in PLANTED.items():
            patched.setenv(name, value)
        server = launch()
    until = time.monotonic() + PATIENCE
    imported: set[str] = set()
    while not imported.issuperset(modules):
        assert time.monotonic() < until, f"not imported: {set(modules) - imported}"
        imported, environment, path = _look(server, folder)
    assert server._process is not None
    yield Warm(psutil.Process(server._process.pid), modules, imported, environment, path)
    server.close()
    server.wait(PATIENCE)


def _look(server: ForkServer, folder: Path) -> tuple[set[str], dict[str, str], list[str]]:
    with server.start([str(folder / "look.py")], {"OWN": "1"}, folder) as process:
        modules, environment, path = json.loads(process.stdout.read())
    return set(modules), environment, path


def test_no_thread_runs_in_a_server_that_a_fork_would_lose(warm: Warm) -> None:
    tasks = Path(f"/proc/{warm.process.pid}/task").glob("*/comm")
    names = [task.read_text().strip() for task in tasks]
    assert [name for name in names if name not in OF_LIBRARIES] == [warm.process.name()]


def test_pytorch_is_left_to_those_steps_that_need_it(warm: Warm) -> None:
    """It takes seconds and memory, and remembers the folder for temporary files, which each step has of its own."""
    assert "torch" not in warm.imported


def test_web_servers_are_left_to_the_router(warm: Warm) -> None:
    """MLflow imports FastAPI itself."""
    assert not {"uvicorn", "trainer.serving.router"} & {*warm.imported}


def test_no_secret_is_in_a_servers_environment(warm: Warm) -> None:
    own = warm.process.environ()
    assert own["PATH"] == os.environ["PATH"]
    assert {*own} & {*PLANTED} == set()
    assert "planted" not in repr(own)


def test_a_process_has_its_own_environment_only(warm: Warm) -> None:
    assert warm.environment == {"OWN": "1"}


def test_only_steps_find_this_package(warm: Warm) -> None:
    of_trainer = [name for name in warm.imported if name.partition(".")[0] == "trainer"]
    package = [place for place in warm.path if (Path(place) / "trainer").is_dir()]
    assert bool(of_trainer) == bool(package) == (warm.modules is STEPS)
