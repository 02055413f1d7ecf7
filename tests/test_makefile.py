"""What a person types after a name of the Makefile reaches the program as it was typed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

TYPED = '{"note": "$(shell touch made) costs $5 `touch made` ${HOME} $$"}'


@pytest.fixture
def checkout(tmp_path: Path, project: Path) -> Path:
    """The Makefile beside a `python` that prints its arguments."""
    shutil.copy(project / "Makefile", tmp_path)
    (tmp_path / ".airflow").mkdir()
    (tmp_path / ".airflow" / "env").touch()
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "name"), [("run", "PARAMS"), ("ui", "UI_PORT"), ("ui", "UNPAUSE"), ("run", "PIPELINE")]
)
def test_make_carries_nothing_out_that_is_typed(checkout: Path, target: str, name: str) -> None:
    command = ["make", "--silent", "-o", ".airflow/ready", f"BIN={checkout}/bin", target, f"{name}={TYPED}"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    assert TYPED in done.stdout.splitlines()
    assert not (checkout / "made").exists()
    assert json.loads(TYPED)
