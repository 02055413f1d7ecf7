"""A file from a web server over TLS, through a proxy, and over lines that pack it or lead nowhere."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bad_line import line_to
from tests.web_server import WebFile, serve_file
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.sources.http import download as http_download
from trainer.sources.http.download import download

CONTENT = b"n,y\n1,no\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_download, "PAUSE_SECONDS", 0.0)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that has signed itself, and beside it its key."""
    file = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key.pem"), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    return file


@pytest.fixture
def safe_file(certificate: Path) -> Iterator[WebFile]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with serve_file(context) as file:
        file.content = CONTENT
        yield file


def test_an_authority_that_the_environment_names_is_trusted(
    safe_file: WebFile, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    download(safe_file.address, tmp_path / "fetched", DIGEST)
    assert (tmp_path / "fetched").read_bytes() == CONTENT


def test_an_authority_that_nobody_named(safe_file: WebFile, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not trusted: self.signed certificate; .* in SSL_CERT_FILE"):
        download(safe_file.address, tmp_path / "fetched", DIGEST)
    assert not safe_file.asked


def test_an_authority_whose_file_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE: there is no file '.*none.pem'"):
        download("https://127.0.0.1:1/rows.csv", tmp_path / "fetched", DIGEST)


def test_a_host_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="broke off after 0 bytes: .*[Nn]ame") as raised:
        download("http://nobody.invalid/rows.csv", tmp_path / "fetched", DIGEST)
    assert raised.value.retry_can_help


def test_a_server_without_tls(web_file: WebFile, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"broke off after 0 bytes: \[SSL.*\]") as raised:
        download(web_file.address.replace("http:", "https:"), tmp_path / "fetched", DIGEST)
    assert raised.value.retry_can_help


def test_a_proxy_that_the_environment_names(web_file: WebFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web_file.content = CONTENT
    with line_to(f"http://{urlsplit(web_file.address).netloc}") as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        download("http://host.invalid/rows.csv", tmp_path / "fetched", DIGEST)
        assert proxy.asked == ["http://host.invalid/rows.csv"]
    assert (tmp_path / "fetched").read_bytes() == CONTENT


def test_what_is_packed_on_the_way_is_refused(web_file: WebFile, tmp_path: Path) -> None:
    web_file.content, web_file.encoding = CONTENT, "gzip"
    with pytest.raises(DataValidationError, match=r"arrives compressed \(gzip\).*checksum is of the file as it is"):
        download(web_file.address, tmp_path / "fetched", DIGEST)
    assert len(web_file.asked) == 1
