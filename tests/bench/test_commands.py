"""Commands in a home of their own."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from bench.commands import environment, timed
from trainer.errors import TrainerError


def test_a_command_is_timed_from_outside(tmp_path):
    assert timed([sys.executable, "-S", "-c", "import time; time.sleep(0.2)"], tmp_path) >= 0.2


def test_a_command_that_fails_is_no_measurement_and_its_output_is_told(tmp_path):
    with pytest.raises(TrainerError, match=r"(?s)exit code 3:.*it went wrong"):
        timed([sys.executable, "-S", "-c", "import sys; print('it went wrong'); sys.exit(3)"], tmp_path)


def test_everything_a_command_may_write_to_is_in_its_home(tmp_path, monkeypatch):
    for name in ("AIRFLOW_HOME", "MLFLOW_TRACKING_URI", "TRAINER_DATA_STORE", "PIPELINES_FOLDER", "TRAINER_PIPELINE"):
        monkeypatch.setenv(name, "/elsewhere")
    made = environment(tmp_path)
    assert not [name for name, value in made.items() if value == "/elsewhere"]
    for name in (
        "AIRFLOW_HOME",
        "MLFLOW_TRACKING_URI",
        "TRAINER_DATA_STORE",
        "TRAINER_STUDY_STORAGE",
        "PIPELINES_HOME",
    ):
        assert str(tmp_path) in made[name], name


def test_an_interrupted_measurement_leaves_no_command_running(tmp_path, monkeypatch):
    begun = []

    def interrupt(process: Any, _seconds: float | None = None) -> int:
        monkeypatch.undo()
        begun.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        timed([sys.executable, "-S", "-c", "import time; time.sleep(60)"], tmp_path)
    assert begun[0].returncode == -signal.SIGTERM
