"""Temporary files of a step, and what a killed try left of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from trainer.errors import ConfigurationError
from trainer.process.scratch import scratch_space


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_temporary_files_go_there_and_go_away(tmp_path: Path) -> None:
    with scratch_space("s3://runs/key/train") as place:
        assert Path(tempfile.mkdtemp()).parent == place
        assert os.environ["TMPDIR"] == str(place)
    assert list(tmp_path.iterdir()) == []
    assert os.environ["TMPDIR"] == str(tmp_path)
    assert Path(tempfile.mkdtemp()).parent == tmp_path


def test_the_next_try_of_the_step_finds_an_empty_folder(tmp_path: Path) -> None:
    killed = scratch_space("s3://runs/key/train")
    (killed.__enter__() / "model.pickle").write_bytes(b"half")
    tempfile.tempdir = None
    os.environ["TMPDIR"] = str(tmp_path)
    with scratch_space("s3://runs/key/tune"), scratch_space("s3://runs/key/tune"):
        assert len(list(tmp_path.iterdir())) == 2
    tempfile.tempdir = None
    with scratch_space("s3://runs/key/train") as place:
        assert list(place.iterdir()) == []


def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path: Path) -> None:
    with scratch_space("s3://runs/key/train") as place:
        pass
    tempfile.tempdir = None
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "kept").touch()
    place.symlink_to(theirs)
    with (
        pytest.raises(ConfigurationError, match="is a link, or belongs to another user"),
        scratch_space("s3://runs/key/train"),
    ):
        pass
    assert [file.name for file in theirs.iterdir()] == ["kept"]
