"""Files arrive with the right bytes or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pytest

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.http import download
from trainer.sources.published.catalog import DATASETS, DatasetFile
from trainer.sources.published.fetch import fetch_datasets

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENTS = {"cats/train.csv": b"name,age\nMimi,3\n" * 200_000, "cats/test.csv": b"name,age\n", "dogs/all.bin": b"\0\1"}


class Server(ThreadingHTTPServer):
    """Serves `files` by path, cut to `longest` bytes, and counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = dict(CONTENTS)
        self.longest: int | None = None
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.files[name])))
        self.end_headers()
        self.wfile.write(self.server.files[name][: self.server.longest])

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _table(address: str) -> list[DatasetFile]:
    return [
        DatasetFile(path, hashlib.sha256(content).hexdigest(), f"{address}/{path}")
        for path, content in CONTENTS.items()
    ]


@pytest.fixture
def table(server: Server) -> list[DatasetFile]:
    return _table(server.address)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for path, content in CONTENTS.items():
        file = tmp_path / "mirror" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "mirror"


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_all_files_come_from_their_public_addresses(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    assert fetch_datasets(target, table=table) == [target / path for path in CONTENTS]
    assert _files(target) == CONTENTS
    assert server.asked == list(CONTENTS)


def test_only_named_data_sets_are_fetched(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    assert fetch_datasets(tmp_path, names=["dogs"], table=table) == [tmp_path / "dogs/all.bin"]
    assert server.asked == ["dogs/all.bin"]


def test_no_names_at_all_fetch_nothing(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    assert fetch_datasets(tmp_path / "data", names=[], table=table) == []
    assert server.asked == []


def test_unknown_name_is_refused_before_anything_is_fetched(
    server: Server, table: list[DatasetFile], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"'dog'.*there are cats, dogs; did you mean 'dogs'"):
        fetch_datasets(tmp_path, names=["cats", "dog"], table=table)
    assert server.asked == []


def test_file_that_is_there_is_left_alone(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    (first, *_) = fetch_datasets(tmp_path, table=table)
    os.utime(first, (1, 1))
    server.asked.clear()
    assert len(fetch_datasets(tmp_path, table=table)) == 3
    assert server.asked == []
    assert first.stat().st_mtime == 1


def test_file_with_a_wrong_checksum_is_fetched_again(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    (first, *_) = fetch_datasets(tmp_path, table=table)
    first.write_bytes(b"edited")
    os.utime(first, (1, 1))
    server.asked.clear()
    fetch_datasets(tmp_path, table=table)
    assert server.asked == ["cats/train.csv"]
    assert _files(tmp_path) == CONTENTS
    assert abs(first.stat().st_mtime - time.time()) < 60


def test_modification_time_is_that_of_the_fetch(mirror: Path, table: list[DatasetFile], tmp_path: Path) -> None:
    for path in CONTENTS:
        os.utime(mirror / path, (1, 1))
    for file in fetch_datasets(tmp_path / "data", str(mirror), table=table):
        assert abs(file.stat().st_mtime - time.time()) < 60


def test_permissions_are_the_usual_ones(table: list[DatasetFile], tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    for file in fetch_datasets(tmp_path / "data", table=table):
        assert file.stat().st_mode == usual.stat().st_mode


def test_wrong_checksum_says_all_and_leaves_nothing(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    server.files["cats/train.csv"] = b"<html>sign in first</html>"
    found = hashlib.sha256(server.files["cats/train.csv"]).hexdigest()
    said = (f"expected SHA-256 {table[0].sha256}", f"found {found}", f"26 bytes from {table[0].url}", "DATA_MIRROR")
    with pytest.raises(DataValidationError, match=r"cats/train\.csv has the wrong checksum") as caught:
        fetch_datasets(tmp_path / "deep" / "data", table=table)
    assert [part for part in said if part not in str(caught.value)] == []
    assert list(tmp_path.iterdir()) == []


def test_truncated_file_is_refused(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    server.longest = 1_500_000
    with pytest.raises(
        DataValidationError, match=r"cats/train.csv cannot be read .* broke off after 1,4\d\d,\d+ bytes"
    ):
        fetch_datasets(tmp_path / "data", table=table)
    assert list(tmp_path.iterdir()) == []


def test_failed_fetch_keeps_what_was_there(server: Server, table: list[DatasetFile], tmp_path: Path) -> None:
    server.files["dogs/all.bin"] = b"not a dog"
    with pytest.raises(DataValidationError, match=r"dogs/all\.bin"):
        fetch_datasets(tmp_path, table=table)
    assert _files(tmp_path) == {path: CONTENTS[path] for path in ("cats/train.csv", "cats/test.csv")}
    assert not (tmp_path / "dogs").exists()


def test_failed_refetch_keeps_the_old_file_and_its_neighbours(
    server: Server, table: list[DatasetFile], tmp_path: Path
) -> None:
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs/all.bin").write_bytes(b"mine")
    (tmp_path / "empty").mkdir()
    del server.files["dogs/all.bin"]
    with pytest.raises(DataValidationError, match="404"):
        fetch_datasets(tmp_path, names=["dogs"], table=table)
    assert _files(tmp_path) == {"dogs/all.bin": b"mine"}
    assert (tmp_path / "empty").is_dir()


def test_unreachable_address_hints_at_the_mirror(tmp_path: Path) -> None:
    with socket.socket() as taken:  # Bound but not listening: every connection is refused.
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        expected = f"cats/train.csv cannot be read from {address}/cats/train.csv .*refused.*set DATA_MIRROR"
        with pytest.raises(DataValidationError, match=expected):
            fetch_datasets(tmp_path / "data", table=_table(address))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"], ids=["path", "path with a slash", "file URI"])
def test_mirror_folder_is_used_instead(
    form: str, server: Server, mirror: Path, table: list[DatasetFile], tmp_path: Path
) -> None:
    fetch_datasets(tmp_path / "data", form.format(mirror), table=table)
    assert _files(tmp_path / "data") == CONTENTS
    assert server.asked == []


def test_mirror_on_another_filesystem(table: list[DatasetFile], tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path, content in CONTENTS.items():
        memory.pipe_file(f"/mirror-of-data/{path}", content)
    try:
        fetch_datasets(tmp_path, "memory://mirror-of-data", table=table)
    finally:
        memory.rm("/mirror-of-data", recursive=True)
    assert _files(tmp_path) == CONTENTS


def test_mirror_by_http(server: Server, tmp_path: Path) -> None:
    fetch_datasets(tmp_path, server.address + "/", table=_table("http://127.0.0.1:9/never-asked"))
    assert _files(tmp_path) == CONTENTS


@pytest.mark.parametrize("kind", ["folder", "http"])
def test_file_missing_in_the_mirror_is_named(
    kind: str, server: Server, mirror: Path, table: list[DatasetFile], tmp_path: Path
) -> None:
    (mirror / "dogs/all.bin").unlink()
    del server.files["dogs/all.bin"]
    place = str(mirror) if kind == "folder" else server.address
    expected = rf"dogs/all.bin cannot be read from {place}/dogs/all.bin \(.*: put the file published at"
    with pytest.raises(DataValidationError, match=expected):
        fetch_datasets(tmp_path / "data", place, names=["dogs"], table=table)
    assert not (tmp_path / "data").exists()


def test_wrong_file_in_the_mirror_names_the_published_one(
    server: Server, mirror: Path, table: list[DatasetFile], tmp_path: Path
) -> None:
    (mirror / "dogs/all.bin").write_bytes(b"cat")
    with pytest.raises(DataValidationError, match=f"replace the mirror's file by the one published at {table[2].url}"):
        fetch_datasets(tmp_path / "data", str(mirror), names=["dogs"], table=table)
    assert server.asked == []
    assert not (tmp_path / "data").exists()


def test_mirror_of_an_unknown_kind(table: list[DatasetFile], tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=r"cats/train\.csv cannot be read from nosuch://mirror"):
        fetch_datasets(tmp_path / "data", "nosuch://mirror", table=table)
    assert list(tmp_path.iterdir()) == []


def test_mirror_with_a_password_is_refused_without_repeating_it(table: list[DatasetFile], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DATA_MIRROR holds a user name or a password") as caught:
        fetch_datasets(tmp_path, "https://me:hunter2@mirror.example/data", table=table)
    assert "hunter2" not in str(caught.value)


def test_table_lists_each_file_once_at_a_fixed_address() -> None:
    assert len(DATASETS) == len({file.path for file in DATASETS}) == len({file.url for file in DATASETS}) == 18
    assert {file.dataset for file in DATASETS} == {
        *("bikes", "california_housing", "gpt2_tokenizer", "mnist", "schemas", "telco_churn", "wikitext-2"),
    }
    for file in DATASETS:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.path
        assert file.url.startswith("https://"), file.path
        assert "githubusercontent" not in file.url or re.search(r"/[0-9a-f]{40}/", file.url), file.path


def test_module_is_light() -> None:
    code = (
        "import sys, trainer.sources.published.fetch, trainer.sources.samples.telco\n"
        "heavy = {'numpy', 'pandas', 'polars', 'sklearn', 'mlflow', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    source = str(Path(sys.modules["trainer"].__file__ or "").parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
