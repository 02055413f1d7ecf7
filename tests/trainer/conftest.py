"""What tests of training share: a step's environment that outlives a single test."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from trainer.environment import Environment, limit_threads, variable_name
from trainer.process import logs

limit_threads()  # as a step does, before any library has counted the cores or decided how its threads wait

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


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up its process's logging; in this one its handler would outlive the stream that it writes to."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    streams = sys.stdout, sys.stderr
    yield
    if root.handlers == handlers:
        return
    sys.stdout, sys.stderr = streams
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)
