"""`trainer describe`: what is installed, and extras that are not complete."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from trainer import __version__
from trainer.__main__ import main
from trainer.commands import describe

NOWHERE = "a-package-that-is-nowhere"


@pytest.fixture
def promises(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces what the package's metadata promises."""

    def promise(*requirements: str) -> None:
        monkeypatch.setattr(metadata, "requires", lambda _: list(requirements))

    return promise


def test_this_installation_has_what_a_cluster_needs() -> None:
    command = [sys.executable, "-m", "trainer", "describe", "--json", "--extra", "tabular", "--extra", "cluster"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["trainer"] == __version__
    assert found["python"] == platform.python_version()
    assert found["user"].endswith(f"({os.getuid()})")
    assert found["cores"] >= 1
    assert (found["extras"]["tabular"], found["extras"]["cluster"]) == ({}, {})
    assert found["libraries"]["mlflow"] == metadata.version("mlflow")


def test_every_extra_promises_something() -> None:
    promised = describe.extras()
    assert set(promised) == {"tabular", "cluster", "serving", "deep", "language"}
    assert {"xgboost-cpu", "mlflow", "pandas"} <= set(promised["tabular"])
    assert promised["deep"] == ["torch", "torchvision"]


def test_what_a_person_reads(promises: Any, capsys: pytest.CaptureFixture[str]) -> None:
    promises("fsspec", "PyYAML; extra == 'files'", f"{NOWHERE}>=1; extra == 'broken'", "pydantic>2; extra == 'broken'")
    assert main(["describe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"trainer {__version__}, Python {platform.python_version()}"
    assert lines[2:5] == ["extras", "  files: complete", f"  broken: without {NOWHERE}"]
    assert lines[5:] == [
        "libraries",
        f"  PyYAML {metadata.version('PyYAML')}",
        f"  pydantic {metadata.version('pydantic')}",
    ]


def test_an_extra_that_is_asked_for_and_not_complete(promises: Any, caplog: pytest.LogCaptureFixture) -> None:
    promises("PyYAML; extra == 'files'", f"{NOWHERE}; extra == 'broken'")
    assert main(["describe", "--extra", "files"]) == 0
    assert main(["describe", "--extra", "files", "--extra", "broken"]) == 2
    assert f"the extra broken is not complete: {NOWHERE} (ModuleNotFoundError: No module named" in caplog.text
    assert "the extra files" not in caplog.text


def test_a_library_that_is_there_but_does_not_load(
    promises: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "library_of_a_test.py").write_text("raise OSError('libgomp.so.1: cannot open\\nshared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    promises("library-of-a-test; extra == 'deep'")
    assert main(["describe", "--json", "--extra", "deep"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["extras"]["deep"] == {"library-of-a-test": "OSError: libgomp.so.1: cannot open shared object file"}
    assert found["libraries"] == {}


def test_an_extra_that_does_not_exist(promises: Any, caplog: pytest.LogCaptureFixture) -> None:
    promises("PyYAML; extra == 'files'")
    assert main(["describe", "--extra", "flies"]) == 2
    assert "--extra flies: no such extra; there are files" in caplog.text


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)
    assert describe.user() == "without a name (3999999)"


def test_xgboost_stands_in_for_its_smaller_sister(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "xgboost":
            return "3.2.0"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert describe.version_of("xgboost-cpu") == "3.2.0"
    assert describe.version_of("torch") == "unknown"


def test_a_module_without_bytecode_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promises: Any) -> None:
    promises("fsspec")
    (tmp_path / "compiled_at_each_start.py").write_text("answer = 42")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.import_module("compiled_at_each_start")
    assert "compiled_at_each_start" in describe.uncompiled_modules()
    assert "json.decoder" not in describe.uncompiled_modules()
    assert main(["describe", "--bytecode"]) == 2
    monkeypatch.setattr(describe, "uncompiled_modules", list)
    assert main(["describe", "--bytecode"]) == 0
