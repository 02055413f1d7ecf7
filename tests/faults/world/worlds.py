"""A run in a home of its own, with MLflow's store and studies, as a test sees it from outside."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import world
from tests.world import ALGORITHM, QUICK, Home
from trainer.commands.step import run_step
from trainer.environment import Environment, variable_name
from trainer.pipeline import Pipeline
from trainer.registry.promotion import LOCKS
from trainer.run import RunFolder, run_key

RUN_ID = "scheduled__2026-01-04T02:00:00+00:00"
KEY = run_key(RUN_ID)
STAGES = (
    ("start", ""),
    ("ingest", ""),
    ("engineer_features", ""),
    ("tune", ALGORITHM),
    ("train", ALGORITHM),
    ("refit", ""),
    ("evaluate", ""),
    ("decide", ""),
    ("register", ""),
    ("accept", ""),
    ("promote", ""),
)


def quick_churn() -> Pipeline:
    """The quick churn pipeline with a longer search in one thread, and a gate that a second model passes as well."""
    better = {**QUICK["gates"]["against_production"], "min_gain": -0.5}
    return world.quick_churn(
        tuning={**QUICK["tuning"], "trials": 4, "folds": 2, "parallel_folds": 1},
        gates={**QUICK["gates"], "against_production": better},
    )


@dataclass(frozen=True)
class World(Home):
    """A home with MLflow's store, studies and run folders, and the environment variables of a step in it."""

    home: Path
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.database,
            "TRAINER_ARTIFACT_LOCATION": f"file://{self.home}/artifacts",
            "TRAINER_STUDY_STORAGE": f"journal://{self.home}/studies",
            "TRAINER_DATA_STORE": f"file://{self.home}/data",
            "TRAINER_SAMPLES": "true",
            "TRAINER_GIT_COMMIT": "0" * 40,
            "TRAINER_AIRFLOW_RUN_ID": RUN_ID,
            **self.changes,
        }

    @property
    def database(self) -> str:
        return f"sqlite:///{self.home}/mlflow.db"

    @property
    def folder(self) -> RunFolder:
        return self.at(KEY)

    def at(self, key: str) -> RunFolder:
        return RunFolder.open(f"file://{self.home}/.runs/churn/{key}")

    @property
    def model(self) -> str:
        return f"{quick_churn().registry.model}-sample"

    @property
    def client(self) -> Any:
        """MLflow's own record, asked without the server."""
        import mlflow

        with (
            pytest.MonkeyPatch.context() as patch
        ):  # a client asks the process's address too, and setting it exports it
            patch.setenv("MLFLOW_TRACKING_URI", self.database)
            mlflow.set_tracking_uri(self.database)
        return mlflow.MlflowClient(self.database, self.database)

    def step(self, name: str, algorithm: str = "", folder: RunFolder | None = None) -> None:
        """Run a step in this process."""
        run = folder or self.folder
        run_step(name, run, quick_churn() if name == "start" else run.pipeline(), algorithm)

    def aliases(self) -> dict[str, str]:
        from trainer.registry.versions import aliases_of

        return aliases_of(self.client, self.model)

    def versions(self) -> list[str]:
        return sorted(str(version.version) for version in self.client.search_model_versions(f"name = '{self.model}'"))

    def of_task(self, task: str) -> list[Any]:
        """The MLflow runs of one task of all pipeline runs."""
        return self.mlflow_runs(f"tags.`trainer.task` = '{task}'")

    def litter(self) -> list[str]:
        """What a step in its middle would leave in the run folders; the locks beside them stay."""
        return [str(path) for path in (self.home / ".runs").rglob(".*") if path.name != LOCKS]

    def copy_to(self, home: Path) -> World:
        """The same world in another home; logged models stay where they are, and are only read."""
        for name in (".runs", "studies"):
            if (self.home / name).exists():
                shutil.copytree(self.home / name, home / name, symlinks=True)
        shutil.copy(self.home / "mlflow.db", home / "mlflow.db")
        return World(home)


@contextlib.contextmanager
def standing_in(world: World) -> Iterator[None]:
    """This process as a step of the world would find it, on Airflow's side too."""
    from include.environment.settings import load_settings

    with pytest.MonkeyPatch.context() as patch:
        for name in Environment.model_fields:
            patch.delenv(variable_name(name), raising=False)
        for name, value in world.variables.items():
            patch.setenv(name, value)
        patch.setenv("PIPELINES_HOME", str(world.home))
        patch.setenv("PIPELINES_ENVIRONMENT", "development")
        load_settings.cache_clear()
        yield
    load_settings.cache_clear()


Stage = Callable[[str], World]
