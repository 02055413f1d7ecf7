"""A source's file as bytes; one that changes while it is read is not taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from trainer.data.source_file import read_source
from trainer.errors import DataValidationError, TrainerError


class WrittenMeanwhile(LocalFileSystem):  # type: ignore[misc]
    """Local files that somebody else appends to as soon as they are opened."""

    protocol = "meanwhile"

    def _open(self, path: str, *arguments: Any, **options: Any) -> Any:
        opened = super()._open(path, *arguments, **options)
        with Path(path).open("ab") as file:
            file.write(b"2\n")
        return opened


def test_a_file_that_changes_while_it_is_read_may_be_read_later(tmp_path: Path) -> None:
    fsspec.register_implementation("meanwhile", WrittenMeanwhile, clobber=True)
    (tmp_path / "rows.csv").write_bytes(b"a\n1\n")
    with pytest.raises(TrainerError, match=r"rows.csv: the file changed while it was read .*rename it when") as raised:
        read_source(f"meanwhile://{tmp_path}/rows.csv")
    assert raised.value.retry_can_help
    assert read_source(f"file://{tmp_path}/rows.csv") == b"a\n1\n2\n"


def test_a_file_that_changes_on_s3(s3_bucket: str, tmp_path: Path) -> None:
    filesystem = fsspec.filesystem("s3")
    uri = f"s3://{s3_bucket}/rows.csv"
    for content in (b"a\n1\n", b"a\n2\n"):
        filesystem.pipe_file(uri, content)
        assert read_source(uri) == content


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    with pytest.raises(DataValidationError, match=r"rows.csv: the file is empty \(0 bytes\); fetch or write it again"):
        read_source(str(tmp_path / "rows.csv"))
