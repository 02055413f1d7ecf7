"""Services of docker-compose.yaml as plain processes: their commands and variables, with hosts and folders of this machine."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from include.stack.env_file import read_env, write_env
from tests.server import free_port
from tests.world import PROJECT

LOOPBACK = "127.0.0.1"
SERVED = {"postgres": 5432, "redis": 6379, "s3": 8333, "mail": 1025, "mlflow": 5000, "airflow-api-server": 8080}
"""The host names that services ask, with the port that each listens on in its container."""
PUBLISHED = {"AIRFLOW_PORT": "airflow-api-server", "MLFLOW_PORT": "mlflow", "S3_PORT": "s3"}
VARIABLE = re.compile(r"\$\{(\w+):\?[^}]*\}")
AIRFLOW_HOME = "/opt/airflow"


@dataclass(frozen=True)
class Compose:
    """docker-compose.yaml and an `.env` of random values, for servers on free ports and files below `home`."""

    home: Path
    ports: dict[str, int]

    @classmethod
    def create(cls, home: Path, postgres: int) -> Compose:
        """Write `.env`, choose ports but that of PostgreSQL, and lay the containers' folders below `home`."""
        made = cls(home, {name: free_port() for name in SERVED} | {"postgres": postgres})
        write_env(home / ".env")
        lines = (home / ".env").read_text().splitlines()
        for key, service in PUBLISHED.items():
            lines = [f"{key}={made.ports[service]}" if line.startswith(f"{key}=") else line for line in lines]
        (home / ".env").write_text("\n".join(lines) + "\n")
        for folder in ("airflow/logs", "tmp"):
            (home / folder).mkdir(parents=True)
        for folder in ("dags", "plugins", "include"):
            (home / "airflow" / folder).symlink_to(PROJECT / folder)
        return made

    @cached_property
    def secrets(self) -> dict[str, str]:
        """The values of `.env`."""
        return read_env(self.home / ".env")

    @cached_property
    def _services(self) -> dict[str, dict[str, Any]]:
        document: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())
        return dict(document["services"])

    def environment(self, service: str) -> dict[str, str]:
        """Return a container's variables, beside those that every process here needs."""
        image = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home / "tmp"),
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_PROXY": f"localhost,{LOOPBACK}",
        }
        own = self._services[service].get("environment") or {}
        given = {name: self.local(str(value)) for name, value in own.items()}
        if given.get("PGHOST") == "postgres":
            given |= {"PGHOST": LOOPBACK, "PGPORT": str(self.ports["postgres"])}
        return {**image, **given}

    def command(self, service: str) -> list[str]:
        """Return the words of a container's entrypoint and command."""
        found = [self._services[service].get(part, []) for part in ("entrypoint", "command")]
        words = [str(word) for part in found for word in (part.split() if isinstance(part, str) else part)]
        own = {
            "--host=0.0.0.0": f"--host={LOOPBACK}",
            f"--port={SERVED.get(service)}": f"--port={self.ports.get(service)}",
        }
        return [own.get(word) or self.local(self._mounted(service, word)) for word in words]

    def _mounted(self, service: str, word: str) -> str:
        """Replace a path below what a container has mounted by that file of this project."""
        for volume in self._services[service].get("volumes", []):
            source, target, *_ = volume.split(":")
            if source.startswith("./") and Path(word).is_relative_to(target):
                return str(PROJECT / source / Path(word).relative_to(target))
        return word

    def local(self, text: str) -> str:
        """Replace the variables, host names, ports and folders of containers in a text by those of this machine."""
        text = VARIABLE.sub(lambda match: self.secrets[match[1]], text)
        for name, port in SERVED.items():
            text = re.sub(rf"(?<![\w.-]){name}:{port}\b", f"{LOOPBACK}:{self.ports[name]}", text)
            text = text.replace(
                f'"host": "{name}", "port": {port}', f'"host": "{LOOPBACK}", "port": {self.ports[name]}'
            )
        text = re.sub(r"^/tmp\b", str(self.home / "tmp"), text)
        return text.replace(AIRFLOW_HOME, str(self.home / "airflow"))
