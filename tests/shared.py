"""Stores that take seconds to prepare: built once per test session, by whichever worker comes first, and copied."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BuiltOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """Return the folder of a name, which one worker of the session fills and all of them read."""
    base = tmp_path_factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def build(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = session / f"shared-{name}", session / f"shared-{name}.done"
        with (session / f"shared-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return build


@pytest.fixture(scope="session")
def empty_mlflow_store(built_once: BuiltOnce) -> Path:
    """A migrated MLflow database without a run."""

    def migrate(folder: Path) -> None:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", f"file://{folder}/artifacts")
        store.engine.dispose()

    return built_once("mlflow-store", migrate) / "mlflow.db"


@pytest.fixture(scope="session")
def migrated_airflow(built_once: BuiltOnce) -> Path:
    """An AIRFLOW_HOME with an empty, migrated database and its configuration; `copy_airflow` copies it."""

    def migrate(folder: Path) -> None:
        variables = {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        }
        airflow = Path(sys.executable).with_name("airflow")
        done = subprocess.run(
            [airflow, "db", "migrate"], env={**os.environ, **variables}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return built_once("airflow", migrate)


def copy_airflow(migrated: Path, home: Path) -> None:
    """Give an AIRFLOW_HOME the migrated database, and the configuration with its own paths."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated / "airflow.db", home / "airflow.db")
    configuration = (migrated / "airflow.cfg").read_text(encoding="utf-8")
    (home / "airflow.cfg").write_text(configuration.replace(str(migrated), str(home)), encoding="utf-8")
