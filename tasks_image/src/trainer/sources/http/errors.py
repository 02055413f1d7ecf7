"""Explain failed requests, without addresses of redirections: they may hold a signature."""

from __future__ import annotations

import contextlib
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError, TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
WANTS_LOGIN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
MAY_PASS = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,  # the next request is for the whole file
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


@contextlib.contextmanager
def connection_explained(address: str, target: Path) -> Iterator[None]:
    """Raise TrainerError for a broken connection, ConfigurationError or DataValidationError if no retry can help."""
    import requests

    try:
        yield
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        root = _root(error)
        if isinstance(root, ssl.SSLCertVerificationError):
            raise ConfigurationError(
                f"{address}: the server's certificate is not trusted: {root.verify_message}; if an authority of your "
                "own has signed it, name the file with that authority's certificate in SSL_CERT_FILE"
            ) from None
        reason = getattr(root, "strerror", None) or type(root).__name__
        raise TrainerError(
            f"{address}: the download broke off after {target.stat().st_size:,} bytes: {reason}"
        ) from None
    except requests.RequestException as error:
        raise DataValidationError(f"{address}: cannot be requested: {type(error).__name__}") from None


def refuse_answer(answer: requests.Response, address: str) -> None:
    """Raise TrainerError if the answer is not the file, or a part of it, as it is; DataValidationError if for good."""
    status = answer.status_code
    if status in MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TrainerError(f"{address}: the server answers {status}")
    if status in ABSENT:
        raise DataValidationError(f"{address}: there is no such file (the server answers {status})")
    if status in WANTS_LOGIN:
        raise DataValidationError(
            f"{address}: the server answers {status}: it wants a login, or allows nobody to read this; a login "
            "comes from the file that the variable NETRC names, or ~/.netrc"
        )
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise DataValidationError(f"{address}: the server answers {status}; is the address right?")
    packed = answer.headers.get("Content-Encoding", "identity")
    if packed != "identity":
        raise DataValidationError(
            f"{address}: the file arrives compressed ({packed}), though it was requested as it is, and its checksum is "
            "of the file as it is: have the server, or the proxy before it, send it uncompressed"
        )


def _root(error: BaseException) -> BaseException:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
