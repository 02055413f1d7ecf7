"""A checkout's state in a folder of its own, and the commands that a person types, as real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.end_to_end.deployment import deployment  # noqa: F401  (a fixture)
from tests.shared import copy_airflow
from tests.warm import WarmServers
from tests.world import PROJECT, Home, churn_document

if TYPE_CHECKING:
    from mlflow import MlflowClient


def executable(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def airflow_variables(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": str(PROJECT),
    }


@dataclass
class Checkout(Home):
    """The state of a checkout: Airflow's database, run folders, MLflow store and mails."""

    home: Path
    warm: WarmServers
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "TRAINER", "MLFLOW"))}
        own = {
            "PIPELINES_HOME": str(self.home),
            "PIPELINES_ENVIRONMENT": "development",
            "PYTHONUNBUFFERED": "1",
        }
        return {**kept, **airflow_variables(self.home / ".airflow"), **own, **self.variables}

    def pipeline(self, name: str, **sections: Any) -> Path:
        """Write a pipeline like churn under another name into this checkout's own folder of pipelines."""
        folder = self.home / "pipelines"
        folder.mkdir(exist_ok=True)
        self.variables["PIPELINES_FOLDER"] = str(folder)
        document = churn_document(name=name, **sections)
        document["registry"] = {**document["registry"], "model": f"{name}-model"}
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return file

    def take_published(self, file: Path) -> None:
        """Put a published data file where runs look for it; without it the test is skipped."""
        source, target = PROJECT / ".data" / file, self.home / ".data" / file
        if not source.exists():
            pytest.skip(f"{source} is not there: make data")
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)

    def start(
        self, pipeline: str, parameters: dict[str, Any] | None = None, *, cold: bool = False
    ) -> subprocess.Popen[str]:
        """What `make run` starts, in a process group of its own; the output goes to `log`.

        It is given the worker's fork servers, unless it is `cold`: then it launches its own, as a person's does.
        """
        given = [] if cold else [self.warm.steps.fileno(), self.warm.scoring.fileno()]
        module = ["tests.end_to_end.warm_run", *map(str, given)] if given else ["include.laptop.run_once"]
        command = [sys.executable, "-m", *module, pipeline, "--parameters", json.dumps(parameters or {})]
        with self.log.open("w") as log:
            return subprocess.Popen(
                command, env=self.environment, cwd=PROJECT, stdout=log, stderr=log, text=True, start_new_session=True,
                pass_fds=given,
            )  # fmt: skip

    def run(self, pipeline: str, parameters: dict[str, Any] | None = None, *, cold: bool = False) -> int:
        """Run a pipeline to its end; returns the exit code."""
        return self.start(pipeline, parameters, cold=cold).wait(timeout=600)

    def trainer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `trainer`, with the variables that this checkout's environment gives to steps."""
        settings = [sys.executable, "-m", "include.environment.settings"]
        exports = subprocess.run(
            settings, env=self.environment, cwd=PROJECT, check=True, capture_output=True, text=True
        )
        shell = ["bash", "-c", f"{exports.stdout}\nexec env --null"]
        found = subprocess.run(shell, env=self.environment, cwd=PROJECT, check=True, capture_output=True, text=True)
        variables = dict(line.split("=", 1) for line in found.stdout.rstrip("\0").split("\0"))
        return self.warm.run(["-m", "trainer", *arguments], variables, PROJECT)

    def train(self, pipeline: str, parameters: dict[str, Any], *options: str) -> Path:
        """Run all steps of a pipeline in one process, without Airflow; returns the run's folder."""
        pipelines = Path(self.variables.get("PIPELINES_FOLDER", PROJECT / "include" / "pipelines"))
        run = self.home / "by-hand" / uuid.uuid4().hex
        command = ["train", "--config", str(pipelines / f"{pipeline}.yaml"), "--run", str(run)]
        done = self.trainer(*command, "--parameters", json.dumps(parameters), *options)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return run

    @property
    def log(self) -> Path:
        return self.home / "run.log"

    @property
    def latest(self) -> Path:
        return self.home / ".runs" / "latest"

    def summary(self, run: Path | None = None) -> dict[str, Any]:
        """The summary of a run, by default of the latest."""
        content: dict[str, Any] = json.loads(((run or self.latest) / "summary.json").read_text())
        return content

    def mails(self) -> list[Any]:
        """The mails of the outbox."""
        import email
        import email.policy

        files = sorted((self.home / ".outbox").glob("*.eml"))
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    @property
    def client(self) -> MlflowClient:
        """A client of this checkout's MLflow store."""
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.home}/.mlflow/mlflow.db")

    def wait_for(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until a condition holds, and give what it gave."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s in vain; the log ends:\n{self.log.read_text()[-3000:]}")

    def processes(self) -> list[int]:
        """Processes that belong to this checkout."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                belongs = str(self.home) in (folder / "environ").read_text(errors="replace")
                zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except (OSError, ProcessLookupError):
                continue
            if belongs and not zombie and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found


@pytest.fixture
def checkout(tmp_path: Path, migrated_airflow: Path, warm: WarmServers) -> Iterator[Checkout]:
    """A fresh checkout's state; what still runs afterwards is ended."""
    copy_airflow(migrated_airflow, tmp_path / ".airflow")
    made = Checkout(tmp_path, warm)
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)
