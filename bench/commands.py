"""Whole commands in a home of their own, timed from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).resolve().parent.parent
LONGEST_SECONDS = 1800
SECONDS_TO_END = 60
LOG_LINES = 30


@contextmanager
def airflow_homes() -> Iterator[Path]:
    """A temporary folder with a migrated `airflow/` to copy: migrating is no part of a run."""
    with TemporaryDirectory(prefix="bench-runs-") as folder:
        root = Path(folder)
        timed([str(Path(sys.executable).with_name("airflow")), "db", "migrate"], root)
        yield root


@contextmanager
def fresh_home(root: Path) -> Iterator[Path]:
    """A home without data, runs or models, with Airflow's empty database; the pipeline's built-in sample is used."""
    with TemporaryDirectory(prefix="home-", dir=root) as folder:
        shutil.copytree(root / "airflow", Path(folder) / "airflow")
        yield Path(folder)


def timed(command: list[str], home: Path, variables: Mapping[str, str] | None = None) -> float:
    """Wall seconds of a command that has to succeed; raises TrainerError with the end of its output.

    :param variables: of the environment, beside those of the home
    """
    log = home / "output.log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=PROJECT, env={**environment(home), **(variables or {})}, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        exit_code = _wait(process)
        seconds = time.perf_counter() - began
    if exit_code != 0:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        raise TrainerError(f"{' '.join(command)} ended with exit code {exit_code}:\n{end}")
    return seconds


def environment(home: Path) -> dict[str, str]:
    """What `.airflow/env` sets, for another home: nothing of this shell's own Airflow, MLflow or data gets in."""
    from include.environment.settings import read_settings, step_environment

    foreign = ("AIRFLOW", "PIPELINES_", "TRAINER_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **inherited,
        **step_environment(read_settings("development", home)),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow/airflow.db",
        "PIPELINES_ENVIRONMENT": "development",
        "PIPELINES_HOME": str(home),
        "PYTHONPATH": str(PROJECT),
    }


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code; whatever interrupts the wait ends the command first, so that nothing is left running."""
    try:
        return process.wait(LONGEST_SECONDS)
    except BaseException:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
