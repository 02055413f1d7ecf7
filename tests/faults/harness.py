"""A world to break: data, an MLflow store with `production`, a mail server, and runs that go as the DAG takes them."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from include.environment.settings import load_settings, step_environment
from include.mail.send import on_run_failure, on_run_success
from tests.world import Home, quick_churn
from trainer.__main__ import main
from trainer.decision import DecisionResult
from trainer.run import RunFolder, run_key
from trainer.run.fallback import PUBLISHES
from trainer.run.flow import PartOfRun, parts_of_run
from trainer.run.records import RegisterResult

if TYPE_CHECKING:
    from email.message import EmailMessage

    from tests.mailbox import Mailbox
    from trainer.run.records import Failure

NAME = "churn"
RUN_ID = "manual__2026-01-04T02:00:00+00:00"
ROWS = 1500
DATA = Path("customers.csv")
STEP_NOT_DONE = 2
AFTER_REGISTER = ("accept", "promote", PUBLISHES)
READ_BY_NO_STEP = ("validate", "detect_drift", PUBLISHES)
"""Steps that later ones wait for, and take no file from: with a scheduler none of them starts."""


@dataclass(frozen=True)
class World(Home):
    """A checkout's state below `home`, laid out as the environment `development` says, and the pipeline's YAML."""

    home: Path
    mailbox: Mailbox
    text: str

    @property
    def document(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.text)
        return loaded

    def having(self, **sections: Any) -> World:
        """The same world with other sections of the pipeline; a mapping is laid over what the section says."""
        document = self.document
        for name, value in sections.items():
            document[name] = {**document[name], **value} if isinstance(value, dict) else value
        return replace(self, text=yaml.safe_dump(document, sort_keys=False))

    @property
    def data(self) -> Path:
        """The source's file."""
        return self.home / ".data" / DATA

    @property
    def registry(self) -> tuple[list[str], dict[str, str]]:
        """All versions of all models, and production's model's aliases."""
        versions = self.all_versions()
        model = self.document["registry"]["model"] if versions else ""
        aliases = self.client.get_registered_model(model).aliases if versions else {}
        return versions, {alias: str(version) for alias, version in aliases.items()}

    def folder(self, run_id: str = RUN_ID) -> RunFolder:
        return RunFolder.open(f"{load_settings().artifact_store}/{NAME}/{run_key(run_id)}")

    def step(
        self, name: str, algorithm: str = "", *, run_id: str = RUN_ID, parameters: str = "{}", apart: bool = False
    ) -> int:
        """`trainer step NAME` as the DAG starts it, in this process or in one of its own; returns its exit code."""
        own = {"TRAINER_AIRFLOW_RUN_ID": run_id, "TRAINER_PIPELINE": self.text if name == "start" else ""}
        arguments = ["step", name, "--run", self.folder(run_id).uri]
        arguments += ["--algorithm", algorithm] if algorithm else []
        arguments += ["--parameters", parameters] if name == "start" else []
        if apart:
            command = [sys.executable, "-m", "trainer", *arguments]
            return subprocess.run(command, env={**os.environ, **own}, cwd=self.home, check=False).returncode
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trainer.process.logs.set_up", lambda _: None)  # pytest's own handlers stay
            for variable, value in own.items():
                patch.setenv(variable, value)
            return _code_of(arguments)

    def run(
        self,
        *,
        run_id: str = RUN_ID,
        parameters: str = "{}",
        before: Mapping[str, Callable[[], object]] | None = None,
        apart: bool = False,
    ) -> Ended:
        """All steps in the DAG's order until one fails; then `report`, and the mail that Airflow would send.

        `before` names steps and what is done to the world before each.
        """
        failed, code = None, 0
        for name, algorithm, _ in self.parts:
            if not self._is_due(name, run_id):
                continue
            (before or {}).get(name, lambda: None)()
            code = self.step(name, algorithm, run_id=run_id, parameters=parameters, apart=apart)
            if code:
                failed = self.folder(run_id).at(name, algorithm)
                break
        if failed is None or failed.step != "start":
            self.step("report", run_id=run_id)
        self._mail(run_id, failed=failed is not None)
        return Ended(run_id, self.folder(run_id), failed, code, self.mailbox.messages)

    @property
    def parts(self) -> list[PartOfRun]:
        """Every part of a quick run but `report`, which runs whatever happens; as the environment has it."""
        left_out = {"report"} if load_settings().feature_store.address else {"report", PUBLISHES}
        return [part for part in parts_of_run(quick_churn()) if part.step not in left_out]

    def _is_due(self, name: str, run_id: str) -> bool:
        run = self.folder(run_id)
        if name == "register":
            return run.at("decide").result(DecisionResult).outcome == "promote"
        return name not in AFTER_REGISTER or run.at("register").result_or_none(RegisterResult) is not None

    def _mail(self, run_id: str, *, failed: bool) -> None:
        if not failed:
            on_run_success(self.folder(run_id).uri)
            return
        context: Any = {"dag": SimpleNamespace(dag_id=f"{NAME}_training"), "run_id": run_id, "reason": "task_failure"}
        on_run_failure(context)


def _code_of(arguments: list[str]) -> int:
    """The exit code that a process of its own would have."""
    try:
        return main(arguments)
    except Exception:  # noqa: BLE001  (whatever it is, Python ends such a process with 1)
        return 1


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    run_id: str
    folder: RunFolder
    failed: RunFolder | None
    """The folder of the step that failed."""
    exit_code: int
    mails: list[EmailMessage]

    @cached_property
    def failure(self) -> Failure:
        assert self.failed is not None, "no step failed"
        found = self.failed.failure()
        assert found is not None
        return found

    @property
    def mail(self) -> str:
        """The text of the only mail."""
        (message,) = self.mails
        part = message.get_body(("html", "plain"))
        assert part is not None
        return html.unescape(re.sub(r"<[^>]+>", " ", str(part.get_content())))


@contextmanager
def nothing_moves(world: World) -> Iterator[None]:
    """No version is added, no alias moves, and MLflow has no run that is left RUNNING."""
    before = world.registry
    yield
    assert world.registry == before
    assert world.running() == []


def assert_refused(world: World, ended: Ended, step: str, error: str, exit_code: int, *texts: str) -> str:
    """What has to hold of every fault that ends a run; returns the message."""
    assert ended.failed is not None, "the run came to its end"
    assert (ended.failed.label, ended.failure.error, ended.exit_code) == (step, error, exit_code), ended.failure.message
    assert ended.failure.exit_code == exit_code
    for text in texts:
        assert re.search(text, ended.failure.message), f"{text!r} is not in: {ended.failure.message}"
    assert_told(ended)
    assert_nothing_is_left(world, ended)
    return ended.failure.message


def assert_told(ended: Ended) -> None:
    """One mail, its subject a failure, the reason before everything else that a run can tell."""
    (message,) = ended.mails
    assert message["Subject"].startswith("Training Pipeline - Failure: ")
    lines = [line for line in ended.failure.message.splitlines() if line]
    place = ended.mail.find(lines[0])
    assert place >= 0, f"the mail does not say {lines[0]!r}: {ended.mail}"
    for other in ("Run folder", "Seconds", "Validation:", "Candidates"):
        assert other not in ended.mail[:place], f"{other!r} comes before the reason: {ended.mail}"


def assert_nothing_is_left(world: World, ended: Ended) -> None:
    """The failed step is not done, nothing is half-written, and no later step takes what is there for finished."""
    assert ended.failed is not None
    assert not ended.failed.filesystem.exists(ended.failed.path("result.json"))
    assert list(world.home.rglob(".tmp-*")) == []
    if ended.failed.step in READ_BY_NO_STEP:
        return
    failed = PartOfRun(ended.failed.step, ended.failed.algorithm)
    for name, algorithm, _ in world.parts[world.parts.index(failed) + 1 :]:
        code = world.step(name, algorithm, run_id=ended.run_id)
        assert code == STEP_NOT_DONE, f"{name} took what {ended.failed.label} left"
        failure = ended.folder.at(name, algorithm).failure()
        assert failure is not None
        assert failure.error == "StepNotDoneError", failure.message


def settle(home: Path, port: int, patch: pytest.MonkeyPatch) -> None:
    """Point Airflow's side and the steps at a home, and Airflow's mail connection at a port, until `patch` is undone."""
    patch.setenv("PIPELINES_HOME", str(home))
    patch.setenv("PIPELINES_ENVIRONMENT", "development")
    load_settings.cache_clear()
    for variable, value in step_environment(load_settings()).items():
        patch.setenv(variable, value)
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 5}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
