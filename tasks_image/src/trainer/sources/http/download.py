"""Download a file over HTTP: retried, resumed if the server names the file's version, checked against its SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from trainer.environment import authorities_file
from trainer.errors import DataValidationError, TrainerError
from trainer.sources.http.errors import connection_explained, refuse_answer

if TYPE_CHECKING:
    from pathlib import Path

    import requests

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
CHUNKS_BETWEEN_REPORTS = 2_000
TRIES = 5
"""In a row without progress."""
PAUSE_SECONDS = 1.0
"""After the first failure; twice as long after each further one, at most `LONGEST_PAUSE_SECONDS`."""
LONGEST_PAUSE_SECONDS = 10.0
TIMEOUT_SECONDS = (10, 60)
"""For connecting, and between two reads."""


@dataclass
class _Transfer:
    """The state of a download between two requests."""

    address: str
    target: Path
    etag: str = ""
    """A strong ETag of what is in `target`; empty: it cannot be resumed."""
    furthest: int = 0
    failures: int = 0
    """In a row without progress."""

    @property
    def received(self) -> int:
        """The size of `target` in bytes."""
        return self.target.stat().st_size

    def is_stuck(self, _: object = None) -> bool:
        """Count a failure; return whether it was the last one allowed."""
        self.failures = 0 if self.received > self.furthest else self.failures + 1
        self.furthest = max(self.furthest, self.received)
        return self.failures >= TRIES


def download(address: str, target: Path, sha256: str) -> datetime:
    """Write the file at an address to `target`; return when it last changed, or now if the server does not say.

    Raises as `fetch` does, and DataValidationError if the file has another SHA-256.
    """
    changed_at = fetch(address, target)
    digest = sha256_of(target)
    if digest != sha256:
        raise DataValidationError(
            f"{address}: the file is not the one that `source.sha256` names: its SHA-256 is {digest} "
            f"({target.stat().st_size:,} bytes), expected is {sha256}; bring that file back, or name the new one's "
            "checksum"
        )
    if changed_at is None:
        logger.warning("%s: its server does not say when it last changed; it counts as fresh", address)
    return changed_at or datetime.now(UTC)


def fetch(address: str, target: Path) -> datetime | None:
    """Write the file at an address to `target`, unchecked; return when it last changed, if the server says so.

    Raises DataValidationError if the file does not exist or may not be read; ConfigurationError if the server's
    certificate is not trusted; TrainerError, because a retry can help, if the file does not arrive whole.
    """
    import requests
    from tenacity import Retrying, before_sleep_log, retry_if_exception, wait_exponential

    target.write_bytes(b"")
    transfer = _Transfer(address, target)
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TrainerError) and error.retry_can_help),
        stop=transfer.is_stuck,
        wait=wait_exponential(PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )
    with requests.Session() as session:
        session.verify = authorities_file() or True
        return retrying(_request, session, transfer)


def sha256_of(file: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _request(session: requests.Session, transfer: _Transfer) -> datetime | None:
    """Request what is still missing."""
    start = transfer.received if transfer.etag else 0
    headers = {"Accept-Encoding": "identity"}  # the checksum is of the file as it is, not of a compressed one
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": transfer.etag}
    with (
        connection_explained(transfer.address, transfer.target),
        session.get(transfer.address, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer,
    ):
        transfer.etag = ""
        refuse_answer(answer, transfer.address)
        resumes = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        etag = answer.headers.get("ETag", "")
        transfer.etag = "" if etag.startswith("W/") else etag
        _receive(answer, transfer, "ab" if resumes and answer.status_code == HTTPStatus.PARTIAL_CONTENT else "wb")
        with contextlib.suppress(ValueError):
            return parsedate_to_datetime(answer.headers.get("Last-Modified", ""))
    return None


def _receive(answer: requests.Response, transfer: _Transfer, mode: str) -> None:
    with transfer.target.open(mode) as file:
        for number, chunk in enumerate(answer.iter_content(CHUNK), 1):
            file.write(chunk)
            if number % CHUNKS_BETWEEN_REPORTS == 0:
                logger.info("%s: %.0f MB received", transfer.address, file.tell() / 1e6)
