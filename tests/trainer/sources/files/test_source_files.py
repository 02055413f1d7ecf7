"""A source's files on this machine: all that are meant, and none that changed while it was read."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from trainer.errors import DataValidationError, TrainerError
from trainer.sources.files.source_files import find_files, local_files

CSV = (".csv", ".csv.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of rows among others."""
    for name in ("b.csv", "a.csv", "c.csv.gz", "notes.md", "_SUCCESS", ".hidden.csv", "_part.csv", "2025/d.csv"):
        file = tmp_path / "rows" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"a\n{name}\n", encoding="utf-8")
    return tmp_path / "rows"


def names(uri: str) -> list[str]:
    return [stored.uri.rpartition("rows/")[2] for stored in find_files(uri, CSV)]


def test_a_folder_has_the_files_that_end_so_by_name(folder: Path) -> None:
    assert names(str(folder)) == ["a.csv", "b.csv", "c.csv.gz"]
    assert names(f"{folder.as_uri()}/") == ["a.csv", "b.csv", "c.csv.gz"]


def test_a_glob_names_its_files(folder: Path) -> None:
    assert names(f"{folder}/[ab].csv") == ["a.csv", "b.csv"]
    assert names(f"{folder}/**/*.csv") == ["2025/d.csv", "a.csv", "b.csv"]
    assert names(f"{folder}/x*.csv") == []


def test_a_name_with_signs_of_a_glob_is_a_name_first(folder: Path) -> None:
    (folder / "[ab].csv").write_text("a\n1\n", encoding="utf-8")
    assert names(f"{folder}/[ab].csv") == ["[ab].csv"]


def test_nothing_is_there(tmp_path: Path) -> None:
    assert find_files(str(tmp_path / "none.csv"), CSV) == []


def test_a_folder_without_such_files_says_what_would_be_read(folder: Path) -> None:
    with pytest.raises(
        DataValidationError, match=r"rows: this is a folder, and no file in it ends with .parquet or .pq"
    ):
        find_files(str(folder), (".parquet", ".pq"))


def test_a_bucket_is_a_folder_too(s3_bucket: str, tmp_path: Path) -> None:
    filesystem = fsspec.filesystem("s3")
    for name in ("rows/a.csv", "rows/b.csv", "rows/2025/d.csv"):
        filesystem.pipe_file(f"s3://{s3_bucket}/{name}", b"a\n1\n")
    assert [stored.uri for stored in find_files(f"s3://{s3_bucket}/rows/", CSV)] == [
        f"s3://{s3_bucket}/rows/a.csv",
        f"s3://{s3_bucket}/rows/b.csv",
    ]
    with local_files(find_files(f"s3://{s3_bucket}/rows/*.csv", CSV), None, tmp_path) as files:
        assert [file.path.read_bytes() for file in files] == [b"a\n1\n"] * 2


def test_a_file_that_changes_while_it_is_read_may_be_read_later(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"a\n1\n")
    with (
        pytest.raises(TrainerError, match=r"rows.csv: the file changed while it was read, .*rename it when") as raised,
        local_files(find_files(file.as_uri(), CSV), None, tmp_path),
        file.open("ab") as again,
    ):
        again.write(b"2\n")
    assert raised.value.retry_can_help


def test_half_a_row_of_a_file_that_changes_is_no_mistake_in_the_data(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"a\n1\n")

    def read() -> None:
        with local_files(find_files(file.as_uri(), CSV), None, tmp_path):
            file.write_bytes(b"a\n1,")
            raise DataValidationError("a row has too many fields")

    with pytest.raises(TrainerError, match=r"rows.csv: the file changed while it was read") as raised:
        read()
    assert raised.value.retry_can_help


def test_a_file_that_goes_while_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"a\n1\n")
    with (
        pytest.raises(DataValidationError, match=r"rows.csv: there is no such file"),
        local_files(find_files(file.as_uri(), CSV), None, tmp_path),
    ):
        file.unlink()


def test_a_file_that_changes_on_s3(s3_bucket: str, tmp_path: Path) -> None:
    filesystem = fsspec.filesystem("s3")
    uri = f"s3://{s3_bucket}/rows.csv"
    filesystem.pipe_file(uri, b"a\n1\n")
    found = find_files(uri, CSV)
    with pytest.raises(TrainerError, match="changed while"), local_files(found, None, tmp_path):
        filesystem.pipe_file(uri, b"a\n2\n")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    found = find_files(str(tmp_path / "rows.csv"), CSV)
    message = r"rows.csv: the file is empty \(0 bytes\); fetch or write it again"
    with pytest.raises(DataValidationError, match=message), local_files(found, None, tmp_path):
        pass
