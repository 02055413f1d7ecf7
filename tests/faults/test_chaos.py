"""The steps of a whole run, killed at random instants."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_whose_steps_are_killed_ends_as_an_undisturbed_one(project: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.chaos", "--runs", "1", "--seed", "7"]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
