"""A file from a web server: whole, whatever breaks, or not at all."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.server import free_port
from tests.web_server import WebFile
from trainer.errors import DataValidationError, TrainerError
from trainer.sources.http import download as http_download
from trainer.sources.http.download import download

CONTENT = bytes(number % 251 for number in range(300_000))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_download, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(http_download, "CHUNK", 10_000)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


def fetch(file: WebFile, target: Path, content: bytes = CONTENT) -> datetime:
    if not file.content:
        file.content = CONTENT
    return download(file.address, target, hashlib.sha256(content).hexdigest())


def test_a_file_comes_whole_as_it_is(web_file: WebFile, target: Path) -> None:
    assert fetch(web_file, target) == datetime(2026, 1, 4, 2, tzinfo=UTC)
    assert target.read_bytes() == CONTENT
    assert web_file.asked[0]["Accept-Encoding"] == "identity"


def test_a_redirection_is_followed(web_file: WebFile, target: Path) -> None:
    web_file.content = CONTENT
    download(web_file.address.replace("rows.csv", "moved"), target, hashlib.sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT


def test_a_broken_download_is_resumed(web_file: WebFile, target: Path) -> None:
    web_file.cut_after = [100_000, 50_000]
    fetch(web_file, target)
    assert target.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in web_file.asked] == [None, "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("how", [{"ranges": False}, {"etag": 'W/"1"'}, {"etag": ""}], ids=["no-ranges", "weak", "none"])
def test_a_download_that_cannot_be_resumed_starts_again(
    web_file: WebFile, target: Path, how: dict[str, object]
) -> None:
    for name, value in how.items():
        setattr(web_file, name, value)
    web_file.cut_after = [100_000, 200_000]
    fetch(web_file, target)
    assert target.read_bytes() == CONTENT


def test_a_file_that_changes_on_the_way_is_not_mixed_of_two(web_file: WebFile, target: Path) -> None:
    new = CONTENT[::-1]
    web_file.cut_after = [100_000]
    web_file.then = {2: new}
    fetch(web_file, target, new)
    assert target.read_bytes() == new


def test_another_file_is_refused(web_file: WebFile, target: Path) -> None:
    web_file.content = b"a,b\n1,2\n"
    found = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    with pytest.raises(DataValidationError, match=rf"its SHA-256 is {found} \(8 bytes\), expected is .*; bring"):
        fetch(web_file, target)


def test_a_server_that_is_busy_is_asked_again(web_file: WebFile, target: Path) -> None:
    web_file.statuses = [503, 429, 416, 500]
    fetch(web_file, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_stays_busy_may_answer_later(web_file: WebFile, target: Path) -> None:
    web_file.statuses = [503] * 9
    with pytest.raises(TrainerError, match="rows.csv: the server answers 503") as raised:
        fetch(web_file, target)
    assert raised.value.retry_can_help


def test_a_line_that_always_breaks_at_one_place(web_file: WebFile, target: Path) -> None:
    web_file.ranges = False
    web_file.cut_after = [100_000] * 9
    with pytest.raises(TrainerError, match=r"rows.csv: the download broke off after 100,000 bytes: \w+") as raised:
        fetch(web_file, target)
    assert raised.value.retry_can_help
    assert len(web_file.asked) == 6


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"there is no such file \(the server answers 404\)"),
        (410, "there is no such file"),
        (401, "answers 401: it wants a login, .* NETRC"),
        (403, "answers 403: it wants a login, or allows nobody"),
        (400, "answers 400; is the address right"),
    ],
)
def test_an_answer_that_no_other_try_makes_better(web_file: WebFile, target: Path, status: int, message: str) -> None:
    web_file.statuses = [status]
    with pytest.raises(DataValidationError, match=message):
        fetch(web_file, target)
    assert len(web_file.asked) == 1


def test_a_login_comes_from_where_people_keep_it(
    web_file: WebFile, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login anna password pa55\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetch(web_file, target)
    assert web_file.asked[0]["Authorization"].startswith("Basic ")


def test_nobody_listens(target: Path) -> None:
    with pytest.raises(TrainerError, match="broke off after 0 bytes: Connection refused") as raised:
        download(f"http://127.0.0.1:{free_port()}/rows.csv", target, "0" * 64)
    assert raised.value.retry_can_help


def test_a_server_that_does_not_say_when_the_file_changed(
    web_file: WebFile, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web_file.changed = ""
    with caplog.at_level(logging.WARNING, logger="trainer"):
        changed = fetch(web_file, target)
    assert (datetime.now(UTC) - changed).total_seconds() < 60
    assert "does not say when it last changed; it counts as fresh" in caplog.text
