"""SIGKILL to the process group of a step, at a call of choice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from tests.faults.world.worlds import World
    from tests.warm import WarmServers

BEGIN = ("before", "trainer.run.folder:RunFolder.begin")
RESULT = ("before", "trainer.run.folder:RunFolder.write_text", "--marker", "'result.json'")
HALF_A_RESULT = ("before", "trainer.run.folder:_replace_durably", "--marker", "result.json")
DONE = ("after", "trainer.run.folder:RunFolder.finish")
Kill = Callable[..., None]
"""`kill` with its servers."""
OF_TRY = {"seconds", "finished_at"}
MOVED = {"production": "2", "staging": "2", "previous_production": "1"}
"""The aliases after `promote`, in a world in which version 1 was production."""


def kill_points(points: Mapping[str, tuple[Any, ...]], *, slow: Container[str]) -> list[ParameterSet]:
    """The parameters of a test by their ids; those of `slow` are left to `make test-all`."""
    marks = {name: [pytest.mark.slow] if name in slow else [] for name in points}
    return [pytest.param(*values, id=name, marks=marks[name]) for name, values in points.items()]


def kill(warm: WarmServers, world: World, kind: tuple[str, ...], step: str, algorithm: str = "") -> None:
    """Start a step as a process; it is killed at the call given."""
    script = [str(Path(__file__).with_name("kill_at.py")), *kind, "--", "step", step]
    command = [*script, "--run", world.folder.uri, *(["--algorithm", algorithm] if algorithm else [])]
    scratch = world.home / "tmp"
    scratch.mkdir(exist_ok=True)
    done = warm.run(command, {**os.environ, **world.variables, "TMPDIR": str(scratch)}, Path.cwd())
    assert done.returncode == -signal.SIGKILL, f"it was not killed:\n{done.stdout[-2000:]}"


def outputs(world: World, step: str, algorithm: str = "") -> dict[str, Any]:
    """The files of a step, and its result apart from the times."""
    folder = world.folder.at(step, algorithm)
    content = json.loads(folder.read_text("result.json"))
    files = {str(file) for file in Path(folder.path()).rglob("*")}
    return {
        "files": {file.removeprefix(folder.path()) for file in files},
        **{key: value for key, value in content.items() if key not in OF_TRY},
    }


def assert_closed(world: World) -> None:
    """After `report` no MLflow run is RUNNING, and nothing half-written lies about."""
    world.step("report")
    assert world.running() == []
    assert world.litter() == []
