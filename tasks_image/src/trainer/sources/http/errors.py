"""What errors of a line to a web server mean; without addresses: one that was redirected to may hold a signature."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BrokenOffError(Exception):
    """The answer ended before the file did, or there was none; another try may bring the rest."""


@contextlib.contextmanager
def breaks_told(address: str) -> Iterator[None]:
    """Raises what an error of the line means for whoever asked for an address."""
    import requests
    import urllib3

    try:
        yield
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        _refuse_untrusted(address, error)
        raise BrokenOffError(_reason(error)) from None
    except requests.RequestException as error:
        raise DataValidationError(f"{address}: cannot be asked for: {type(error).__name__}") from None


def _refuse_untrusted(address: str, error: BaseException) -> None:
    for inner in _inside(error):
        if isinstance(inner, ssl.SSLCertVerificationError):
            raise ConfigurationError(
                f"{address}: the server's certificate is not trusted: {inner.verify_message}; where an authority of "
                "your own has signed it, name the file with that authority's certificate in SSL_CERT_FILE"
            ) from None


def _reason(error: BaseException) -> str:
    """What broke, in words of the operating system where it has some; TLS and name servers number errors their way."""
    for inner in _inside(error):
        if isinstance(inner, socket.gaierror):
            return f"its host is unknown ({inner.strerror})"
        if isinstance(inner, ssl.SSLError):
            return f"TLS fails ({inner.reason or type(inner).__name__})"
        if isinstance(inner, OSError) and inner.errno:
            return os.strerror(inner.errno)
    return type(error).__name__


def _inside(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of, from the outermost in; urllib3 hands them on in arguments."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            yield from _inside(inner)
