"""What tests of training share: a step's environment that outlives a single test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from trainer.environment import Environment, variable_name

Standing = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def standing_in(empty_mlflow_store: Path) -> Standing:
    """Sets the environment variables of a step for as long as a block lasts; all stores lie in the folder given."""

    @contextlib.contextmanager
    def stand(home: Path) -> Iterator[None]:
        if not (home / "mlflow.db").exists():
            shutil.copy(empty_mlflow_store, home / "mlflow.db")
        with pytest.MonkeyPatch.context() as patch:
            for field in Environment.model_fields:
                patch.delenv(variable_name(field), raising=False)
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
            patch.setenv("TRAINER_ARTIFACT_LOCATION", f"file://{home}/artifacts")
            patch.setenv("TRAINER_STUDY_STORAGE", f"journal://{home}/studies")
            patch.setenv("TRAINER_DATA_STORE", f"file://{home}/data")
            patch.setenv("TRAINER_SAMPLES", "true")
            yield

    return stand
