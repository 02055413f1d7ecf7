"""A file from a web server: resumed where the line breaks, and only the one whose checksum is known."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from trainer.environment import authorities_file
from trainer.errors import DataValidationError, TrainerError
from trainer.sources.http.errors import BrokenOffError, breaks_told

if TYPE_CHECKING:
    from pathlib import Path

    import requests

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
TRIES = 5
"""In a row, none of which brings a byte more."""
PAUSE_SECONDS = 1.0
"""After the first failure; twice as long after each further one."""
TIMEOUT_SECONDS = (10, 60)
"""Until a server is reached, and between two pieces of its answer."""
SECONDS_BETWEEN_REPORTS = 10
ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
WANTS_LOGIN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


@dataclass
class _Download:
    """What has come so far."""

    address: str
    target: Path
    received: int = 0
    total: int | None = None
    version: str = ""
    """What the server calls this state of the file, so that only the same one is resumed; empty: it does not say."""
    changed_at: datetime | None = None
    resumed: bool = False
    digest: Any = field(default_factory=hashlib.sha256)

    def restart(self) -> None:
        """Forget what has come."""
        self.target.write_bytes(b"")
        self.received, self.total, self.version, self.digest = 0, None, "", hashlib.sha256()


def download(address: str, target: Path, sha256: str) -> datetime:
    """Write what is at an address to a file; returns when it last changed there, now where the server does not say.

    Raises DataValidationError where there is no such file, it may not be read, or it is another than the one with that
    SHA-256; ConfigurationError where the server's certificate is not trusted; TrainerError, for a retry can help, where
    it does not come whole.
    """
    import requests

    state = _Download(address, target)
    with requests.Session() as session:
        session.verify = authorities_file() or True
        _fetch(session, state)
        if state.digest.hexdigest() != sha256 and state.resumed:
            logger.warning("%s: resumed, and another file than expected: fetched once more from its start", address)
            state.restart()
            _fetch(session, state)
    if state.digest.hexdigest() != sha256:
        raise DataValidationError(
            f"{address}: the file is not the one that `source.sha256` names: its SHA-256 is {state.digest.hexdigest()} "
            f"({state.received:,} bytes), expected is {sha256}; bring that file back, or name the new one's checksum"
        )
    if state.changed_at is None:
        logger.warning("%s: its server does not say when it last changed; it counts as fresh", address)
    return state.changed_at or datetime.now(UTC)


def _fetch(session: requests.Session, state: _Download) -> None:
    """Ask until all has come; raises as `download` does."""
    state.restart()
    furthest = failures = 0
    while True:
        try:
            _ask(session, state)
        except BrokenOffError as error:
            failures = 0 if state.received > furthest else failures + 1
            furthest = max(furthest, state.received)
            if failures >= TRIES:
                raise TrainerError(
                    f"{state.address}: {state.received:,} of {state.total or 'unknown'} bytes came, then: {error}; "
                    f"tried {TRIES} times without a byte more"
                ) from error
            logger.warning("%s: %s after %d bytes; trying again", state.address, error, state.received)
            time.sleep(PAUSE_SECONDS * 2 ** max(0, failures - 1))
        else:
            return


def _ask(session: requests.Session, state: _Download) -> None:
    """One request for what is still missing."""
    headers = {"Accept-Encoding": "identity"}  # packed on the way, it would have another checksum
    if state.received and state.version:
        headers |= {"Range": f"bytes={state.received}-", "If-Range": state.version}
    with (
        breaks_told(state.address),
        session.get(state.address, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer,
    ):
        _refuse_status(answer.status_code, state)
        _refuse_packed(answer, state)
        if answer.status_code == HTTPStatus.PARTIAL_CONTENT and _begins_at(answer, state.received):
            state.resumed = True
        else:
            state.restart()
        _note(answer, state)
        _receive(answer, state)
    if state.total is not None and state.received < state.total:
        raise BrokenOffError("the answer was cut off")


def _refuse_status(status: int, state: _Download) -> None:
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        state.restart()
        raise BrokenOffError("the file became shorter")
    if status in MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise BrokenOffError(f"the server answers {status}")
    if status in ABSENT:
        raise DataValidationError(f"{state.address}: there is no such file (the server answers {status})")
    if status in WANTS_LOGIN:
        raise DataValidationError(
            f"{state.address}: the server answers {status}: it wants a login, or allows nobody to read this; a login "
            "comes from the file that the variable NETRC names, or ~/.netrc"
        )
    raise DataValidationError(f"{state.address}: the server answers {status}; is the address right?")


def _refuse_packed(answer: requests.Response, state: _Download) -> None:
    packed = answer.headers.get("Content-Encoding", "identity")
    if packed != "identity":
        raise DataValidationError(
            f"{state.address}: what arrives is packed on the way ({packed}), though the file as it is was asked for; "
            "`source.sha256` is of the file: have the server, or the proxy before it, give it unpacked"
        )


def _begins_at(answer: requests.Response, place: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {place}-")


def _note(answer: requests.Response, state: _Download) -> None:
    """Keep what the server says of the file."""
    length = answer.headers.get("Content-Length", "")
    state.total = state.received + int(length) if length.isdecimal() else None
    tag = answer.headers.get("ETag", "")
    changed = answer.headers.get("Last-Modified", "")
    state.version = tag if tag and not tag.startswith("W/") else changed
    with contextlib.suppress(ValueError):
        state.changed_at = parsedate_to_datetime(changed) if changed else None


def _receive(answer: requests.Response, state: _Download) -> None:
    reported = time.monotonic()
    with state.target.open("ab") as file:
        while chunk := answer.raw.read(CHUNK, decode_content=False):
            file.write(chunk)
            state.digest.update(chunk)
            state.received += len(chunk)
            if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                reported = time.monotonic()
                share = f" of {state.total / 1e6:,.0f}" if state.total else ""
                logger.info("%s: %.0f%s MB", state.address, state.received / 1e6, share)
