"""Docker's command line, called for this project's docker-compose.yaml."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.stack.env_keys import KEYS

if TYPE_CHECKING:
    from pathlib import Path

SECONDS_TO_ANSWER = 60
LOG_LINES = 50
ELSEWHERE = ("COMPOSE_FILE", "COMPOSE_ENV_FILES", "COMPOSE_DISABLE_ENV_FILE")
"""Variables by which compose reads other files than docker-compose.yaml and .env."""


class StackError(Exception):
    """The stack cannot be used; the message has one line per reason, each with what to do."""


@dataclass(frozen=True)
class Container:
    """A service's container as compose reports it."""

    service: str
    state: str
    """`created`, `running`, `restarting`, `exited`, …"""
    health: str
    """`healthy`, `unhealthy`, `starting`, or empty for a service without a health check."""
    exit_code: int

    @property
    def is_ready(self) -> bool:
        """Return if it is healthy, or has done its work."""
        if self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in {"healthy", ""}

    @property
    def has_failed(self) -> bool:
        """Return if waiting cannot help."""
        return self.health == "unhealthy" or self.state in {"restarting", "dead"} or bool(self.exit_code)


class Docker:
    """The command `docker compose` in the project's folder; only `.env` supplies its variables, not the shell."""

    def __init__(self, project: Path, program: str = "docker") -> None:
        self.project = project
        self._program = program

    def check(self) -> None:
        """Raise StackError unless docker, its daemon and its plugin compose answer."""
        if shutil.which(self._program) is None:
            raise StackError("docker is not installed; see https://docs.docker.com/engine/install")
        done = self._call(self._program, "info")
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StackError(
                f"Docker's daemon is not reachable ({reason}); start it (sudo systemctl start docker), or join the "
                "group docker"
            )
        if self._call(self._program, "compose", "version").returncode:
            raise StackError("docker has no plugin compose; install docker-compose-plugin")

    def stream(self, *arguments: str) -> int:
        """Run `docker compose …` with this terminal's output; returns the exit code."""
        return subprocess.run(self._compose(*arguments), cwd=self.project, check=False).returncode  # noqa: S603

    def containers(self) -> list[Container]:
        """Return the project's containers. Raises StackError if compose refuses."""
        done = self._call(*self._compose("ps", "--all", "--format", "json"))
        if done.returncode:
            raise StackError(f"docker compose ps failed: {_last_line(done.stderr)}")
        try:
            return [
                Container(one["Service"], one["State"], one.get("Health", ""), int(one.get("ExitCode", 0)))
                for one in _objects(done.stdout)
            ]
        except (ValueError, LookupError, TypeError, AttributeError):
            found = _last_line(done.stdout)[:80]
            raise StackError(
                f"docker compose ps printed no list of containers ({found}); update Docker's plugin compose"
            ) from None

    def log(self, service: str) -> str:
        """Return the last lines of a service's log."""
        arguments = ("logs", "--no-color", "--no-log-prefix", "--tail", str(LOG_LINES), service)
        done = self._call(*self._compose(*arguments))
        return done.stdout + done.stderr

    def _compose(self, *arguments: str) -> list[str]:
        """A variable of the shell would win over `.env`, which was checked."""
        unset = [part for name in (*ELSEWHERE, *(key.name for key in KEYS)) for part in ("-u", name)]
        return ["env", *unset, self._program, "compose", *arguments]

    def _call(self, *command: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603
                command,
                cwd=self.project,
                capture_output=True,
                text=True,
                errors="replace",  # a log may hold anything
                check=False,
                timeout=SECONDS_TO_ANSWER,
            )
        except subprocess.TimeoutExpired:
            raise StackError(f"docker did not answer within {SECONDS_TO_ANSWER} s; restart its daemon") from None
        except OSError as error:
            raise StackError(f"docker cannot be run ({error.strerror}); install it anew") from None


def _objects(output: str) -> list[dict[str, Any]]:
    """Return what compose prints as JSON: older versions one list, newer ones an object per line."""
    if output.lstrip().startswith(("[", "null")):
        return list(json.loads(output) or [])
    return [json.loads(line) for line in output.splitlines() if line.strip()]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]
