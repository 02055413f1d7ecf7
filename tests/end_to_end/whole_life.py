"""The life of a model on the stack: its rows, its labels, and the commands of a person beside its DAGs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.stack.servers import Stack
from tests.warm import WarmServers
from tests.world import ALGORITHM, LOGISTIC, PROJECT

NAME, MODEL = "life", "life-model"
TRAINING_ROWS, WEEK_ROWS = 1200, 300
STEP_VARIABLES = """
import json
from include.environment.settings import credentials, inherited_environment, load_settings, step_environment
settings = load_settings()
print(json.dumps({**inherited_environment(), **step_environment(settings), **credentials(settings)}))
"""
NUMBERS = ("first", "second", "third")


def life_document() -> dict[str, Any]:
    """Return the smallest pipeline that trains, scores, looks and retrains; nothing is scheduled but by monitoring."""
    return {
        "name": NAME,
        "description": "A world that turns around",
        "problem": "binary_classification",
        "source": {"KIND": "parquet", "uri": "life/train.parquet"},
        "columns": {"id": "id", "target": "label", "positive": "yes"},
        "algorithms": {ALGORITHM: LOGISTIC},
        "tuning": {"trials": 1, "folds": 2, "metric": "auc_roc", "startup_trials": 1, "enabled": False},
        "gates": {"auc_roc": 0.6, "against_production": {"metric": "auc_roc", "resamples": 200, "min_rows": 30}},
        "registry": {"model": MODEL, "experiment": NAME},
        "scoring": {
            "source": {"KIND": "parquet", "uri": "life/new.parquet"},
            "output": {"KIND": "parquet", "uri": "life/scores"},
        },
        "monitoring": {"labels": {"KIND": "parquet", "uri": "life/labels.parquet"}, "min_rows": 50},
        "retrain": {"when": {"performance_drop": 0.05}, "looks": 3, "at_least": 2, "cooldown_days": 0},
    }


def world(rows: int, week: int, *, turned: bool) -> pl.DataFrame:
    """Return rows of a week with their labels; in a turned world large numbers mean the other class."""
    random = np.random.default_rng(week)
    numbers = {name: random.normal(size=rows) for name in NUMBERS}
    sign = -1 if turned else 1
    positive = sign * numbers["first"] + random.normal(size=rows) > 0
    ids = [f"{week}-{row}" for row in range(rows)]
    return pl.DataFrame({"id": ids, **numbers, "label": np.where(positive, "yes", "no")})


@dataclass
class Life:
    """The pipeline `life` on a stack, whose commands run in forks of the worker's servers."""

    stack: Stack
    warm: WarmServers

    @property
    def folder(self) -> Path:
        """The folder of the rows and labels, in the environment's data store."""
        found = self.stack.data / NAME
        found.mkdir(parents=True, exist_ok=True)
        return found

    def write(self, name: str, *weeks: pl.DataFrame) -> None:
        """Replace a table by the rows of some weeks."""
        pl.concat(weeks).write_parquet(self.folder / f"{name}.parquet")

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment that steps have on this stack."""
        environment = self.stack.environment("airflow-scheduler")
        done = subprocess.run(
            [sys.executable, "-c", STEP_VARIABLES],
            env=environment,
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
        )
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found

    def trainer(self, command: str, key: str, *options: str) -> str:
        """Run all steps of a flow by hand, in the run folder `key` of the stack's store; returns the output."""
        file = self.stack.home / "pipelines" / f"{NAME}.yaml"
        words = ["-m", "trainer", command, "--config", str(file), "--run", f"s3://training/runs/{NAME}/{key}", *options]
        done = self.warm.run(words, self.variables, PROJECT)
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    def record(self, key: str, step: str) -> dict[str, Any]:
        """Return the record of a step."""
        found: dict[str, Any] = json.loads(self.stack.read(f"runs/{NAME}/{key}/{step}/result.json"))
        return found

    @property
    def production(self) -> str:
        """The version under the alias `production`."""
        return str(self.stack.mlflow.get_model_version_by_alias(MODEL, "production").version)
