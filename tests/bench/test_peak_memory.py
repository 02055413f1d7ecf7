"""The peak of a command is its own, however much the process holds that measures it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import peak_memory

MEBIBYTE = 1 << 20


def measured(tmp_path: Path, program: str) -> tuple[int, dict[str, int]]:
    record = tmp_path / "record.json"
    held = b"x" * (200 * MEBIBYTE)
    command = [sys.executable, "-S", peak_memory.__file__, str(record), sys.executable, "-S", "-c", program]
    done = subprocess.run(command, check=False)
    assert len(held) == 200 * MEBIBYTE
    return done.returncode, json.loads(record.read_text())


@pytest.mark.parametrize(("program", "mebibytes"), [("pass", (5, 40)), ("len(b'x' * (100 << 20))", (105, 140))])
def test_only_the_command_itself_counts(tmp_path: Path, program: str, mebibytes: tuple[int, int]) -> None:
    code, record = measured(tmp_path, program)
    assert (code, record["exit_code"]) == (0, 0)
    assert mebibytes[0] * MEBIBYTE < record["peak_bytes"] < mebibytes[1] * MEBIBYTE


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    code, record = measured(tmp_path, "import sys; sys.exit(3)")
    assert (code, record["exit_code"]) == (3, 3)
