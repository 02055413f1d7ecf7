"""GPUs as the driver shows them."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from trainer.process.gpu import visible_gpus

COUNT = "from trainer.process.gpu import visible_gpus; print(visible_gpus())"


def listed() -> int:
    """How many GPUs the driver's own tool lists."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    return subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False).stdout.count("GPU ")


def test_as_many_as_the_drivers_tool_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == listed()


def test_hidden_ones_do_not_count() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT], env={"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
