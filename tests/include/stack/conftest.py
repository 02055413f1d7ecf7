"""A project folder with a sound `.env`, and a `docker` that answers as told."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from include.stack.docker import Docker
from include.stack.env_file import read_env, write_env
from tests.server import free_port

FAKE = """#!/bin/bash
# Answers `info` and `compose version`; `compose ps` from $STATE; keeps the other calls, with the ports that it was given.
echo "$*" AIRFLOW_PORT=$AIRFLOW_PORT COMPOSE_FILE=$COMPOSE_FILE >> {calls}
case "$*" in
  info) {info} ;;
  "compose version") {plugin} ;;
  "compose ps "*) cat {containers} ;;
  "compose logs --no-color "*) cat {logs}/${{@: -1}} 2>/dev/null ;;
  "compose up "*) cp {after} {containers}; exit {up} ;;
  *) exit {other} ;;
esac
exit 0
"""


class FakeDocker:
    """The program, and what it was asked for."""

    def __init__(self, home: Path) -> None:
        self.program, self._home = home / "docker", home
        (home / "logs").mkdir()
        self.answers()

    def answers(self, info: str = "true", plugin: str = "true", up: int = 0, other: int = 0) -> None:
        """Say how it answers from now on: commands, and exit codes."""
        names = {name: shlex.quote(str(self._home / name)) for name in ("calls", "containers", "logs", "after")}
        for name in ("containers", "after"):
            (self._home / name).touch()
        self.program.write_text(FAKE.format(info=info, plugin=plugin, up=up, other=other, **names))
        self.program.chmod(0o755)

    def has(self, *containers: dict[str, object], before: bool = False) -> None:
        """Say which containers there are once it was asked to start them, or before."""
        file = self._home / ("containers" if before else "after")
        file.write_text("".join(json.dumps(one) + "\n" for one in containers))

    def logs(self, service: str, text: str) -> None:
        (self._home / "logs" / service).write_text(text)

    @property
    def calls(self) -> list[str]:
        file = self._home / "calls"
        return [line.rpartition(" AIRFLOW_PORT=")[0] for line in file.read_text().splitlines()] if file.exists() else []


def container(service: str, state: str = "running", health: str = "healthy", code: int = 0) -> dict[str, object]:
    return {"Service": service, "State": state, "Health": health, "ExitCode": code}


@pytest.fixture
def fake(tmp_path: Path) -> FakeDocker:
    home = tmp_path / "bin"
    home.mkdir()
    return FakeDocker(home)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an `.env` whose ports are free."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_env(folder / ".env")
    for name in ("AIRFLOW_PORT", "MLFLOW_PORT", "GRAFANA_PORT", "S3_PORT", "MAIL_PORT"):
        edit(folder / ".env", name, str(free_port()))
    return folder


def edit(file: Path, key: str, value: str | None) -> None:
    """Set a key's value, or remove its line."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{key}=")]
    file.write_text("\n".join([*lines, *([f"{key}={value}"] if value is not None else [])]) + "\n")


@pytest.fixture
def docker(fake: FakeDocker, project: Path) -> Docker:
    return Docker(project, str(fake.program))


@pytest.fixture
def port_of(project: Path) -> Callable[[str], int]:
    return lambda key: int(read_env(project / ".env")[key])


@pytest.fixture(autouse=True)
def other_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the shell: one with the name of a key of `.env`, and one that names another file."""
    monkeypatch.setenv("COMPOSE_FILE", "other.yaml")
    monkeypatch.setenv("AIRFLOW_PORT", "1")
    assert os.environ["AIRFLOW_PORT"] == "1"
