"""Publishing a file: it appears whole, a killed try leaves nothing that a reader sees, an object store does the same."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from trainer.errors import ConfigurationError
from trainer.scoring.folder import publish_file
from trainer.scoring.published import Published

KILLED_BEFORE_THE_RENAME = """
import os, signal, sys
from pathlib import Path
from trainer.scoring import folder
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
folder._move_into_place(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    pl.DataFrame({"id": ["a", "b"], "run": "run-1"}).write_parquet(tmp_path / "scored.parquet")
    return tmp_path / "scored.parquet"


def test_a_killed_try_shows_nothing_and_is_cleared_away(scored: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    publish_file(str(output), scored, "other")
    command = [sys.executable, "-c", KILLED_BEFORE_THE_RENAME, str(scored), str(output / "run-1.parquet")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    [left] = output.glob(".tmp-run-1-*")
    assert pl.read_parquet(f"{output}/*.parquet").height == 2
    assert publish_file(output.as_uri(), scored, "run-1") == Published(f"{output.as_uri()}/run-1.parquet", 2, 0)
    assert not left.exists()
    assert sorted(path.name for path in output.iterdir()) == ["other.parquet", "run-1.parquet"]


def test_an_object_store_has_one_object_for_each_run(s3_bucket: str, scored: Path) -> None:
    uri = f"s3://{s3_bucket}/scores"
    assert [publish_file(uri, scored, key).replaced for key in ("run-1", "run-2", "run-1")] == [0, 0, 2]
    import fsspec

    assert [path.rpartition("/")[2] for path in fsspec.filesystem("s3").find(uri)] == ["run-1.parquet", "run-2.parquet"]
    with pytest.raises(ConfigurationError, match="s3://there-is-none/scores cannot be written: .*bucket"):
        publish_file("s3://there-is-none/scores", scored, "run-1")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_is_read_only(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)  # who runs as root may write everywhere
    with pytest.raises(ConfigurationError, match="cannot be written: .*nothing was published"):
        publish_file(str(tmp_path / "output"), scored, "run-1")


def test_a_full_disk_may_pass(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("trainer.scoring.folder.shutil.copyfile", refuse)
    with pytest.raises(OSError, match="no space") as error:
        publish_file(str(tmp_path / "output"), scored, "run-1")
    assert not isinstance(error.value, ConfigurationError)
