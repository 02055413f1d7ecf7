"""Pipelines against environments, as `make check` does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from include.laptop.check import main, mistakes


@pytest.fixture
def folders(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("environments", "pipelines"):
        shutil.copytree(project / "include" / name, tmp_path / name)
        monkeypatch.setenv(f"{name.upper()}_FOLDER", str(tmp_path / name))
    return tmp_path


def test_what_ships_is_right(folders: Path) -> None:
    assert mistakes() == []
    assert main() == 0


def test_a_pipeline_that_only_one_environment_can_run_is_named_with_the_other(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folders / "pipelines" / "churn.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "resources": {"train": {"gpu": 1}}}))
    assert main() == 2
    shown = capsys.readouterr().err.splitlines()
    assert (
        f"{file}: resources.train.gpu: 1 GPUs are asked for, and the environment has none; allowed: 0 (environment staging)"
        in shown
    )
    assert not any("production" in line for line in shown)


def test_an_environment_that_is_wrong_is_named_and_the_others_are_still_looked_at(folders: Path) -> None:
    (folders / "environments" / "production.yaml").write_text("runtime: kubernetes\nsamples: false\n")
    found = mistakes()
    assert [line.split(":")[0] for text in found for line in text.splitlines()] == ["environment production"] * 5
