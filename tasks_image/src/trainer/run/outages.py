"""What a person reads where something that a step needs does not answer, is locked, takes nothing more or no login."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trainer.errors import ConfigurationError, OutageError, TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY = "What is finished is kept: clear the task to go on from here."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
HTTP_LIBRARIES = ("requests", "urllib3")
STORE_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec")
DATABASE_LIBRARIES = ("sqlalchemy", "optuna", "sqlite3", "psycopg2")
LOST_CONNECTION = ("OperationalError", "InterfaceError")
LONGEST_CAUSE = 300


def outage_explained(error: Exception, store: str) -> Exception:
    """Return the error itself, or one that says what failed, where, and what to do; `store` is the run folder.

    That is an OutageError, or a ConfigurationError where MLflow refuses the login: asking again changes nothing.
    """
    if isinstance(error, TrainerError):
        return error
    for found in _chain(error):
        if refused := _refused_login(str(found)):
            return ConfigurationError(refused)
        message = mlflow_outage(str(found)) or _of_http(found) or _of_disk(found, store)
        message = message or _of_database(found) or _of_store(found, store)
        if message:
            return OutageError(f"{message}. {RETRY}")
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def mlflow_outage(text: str) -> str:
    """What failed and what to do, if a text is what MLflow's client says of a server that it cannot use; else empty."""
    asked = re.search(r"API request to (https?://\S+) failed", text)
    if asked is None:
        return ""
    return f"MLflow at {_address(asked[1])} {_how(text)}; start or mend it, or correct `mlflow.tracking_uri`"


def _refused_login(text: str) -> str:
    refused = re.search(r"API request to (?:endpoint )?(\S+) failed with error code (401|403)\b", text)
    if refused is None:
        return ""
    return (
        f"MLflow refuses the login of this step: it answers {refused[2]} to {refused[1]}. Correct the connection that "
        "`mlflow.connection` names, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the rights of that user"
    )


def _of_http(error: BaseException) -> str:
    if _library(error) in HTTP_LIBRARIES and (asked := re.search(r"https?://[^\s'\"]+", str(error))):
        return f"the server at {_address(asked[0])} {_how(str(error))}; start or mend it"
    return ""


def _how(text: str) -> str:
    """How a server failed, from what an HTTP client says of it."""
    if "timed out" in text:
        return "did not answer in time (MLFLOW_HTTP_REQUEST_TIMEOUT seconds, asked again and again)"
    if code := re.search(r"too many (\d+) error|error code (\d+)|(\d{3}) Server Error", text):
        return f"answers {next(filter(None, code.groups()))}, an error of its own (its log says which)"
    for known in ("Connection refused", "Name or service not known", "Connection reset", "closed connection"):
        if known in text:
            return f"is not reachable: {known}"
    return f"is not reachable: {_short(text.rpartition('Caused by ')[2])}"


def _of_disk(error: BaseException, store: str) -> str:
    number = _errno(error)
    place = str(getattr(error, "filename", None) or store)
    if number in FULL:
        return f"no space is left to write to {place} ({_short(error)}); make room there"
    if number in FORBIDDEN or isinstance(error, PermissionError):  # an object store's has no number
        return f"{place} may not be written or read ({_short(error)}); give this process the right to"
    return ""


def _errno(error: BaseException) -> int | None:
    """The number of a system's error; libraries that are not Python's own write it into their text."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None


def is_database_outage(error: BaseException) -> bool:
    """Whether a database is to blame that may be back soon."""
    return any(_of_database(found) for found in _chain(error))


def _of_database(error: BaseException) -> str:
    text = str(error)
    if "database is locked" in text:
        return "a database is locked by another process, and waiting did not help: end that process or let it finish"
    lost = type(error).__name__ in LOST_CONNECTION or getattr(error, "connection_invalidated", False)
    if _library(error) in DATABASE_LIBRARIES and lost:
        return f"a database does not answer ({_short(text.splitlines()[0])}); start or mend it, or correct its address"
    return ""


def _of_store(error: BaseException, store: str) -> str:
    answered = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError)
    remote = "://" in store and not store.startswith("file://")
    if remote and (answered or _library(error) in STORE_LIBRARIES):
        return f"the store of {store} failed ({_short(error)}); look whether it is reachable, and has room"
    return ""


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _address(url: str) -> str:
    """A server's address without path, user name and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _short(cause: object) -> str:
    text = re.sub(r"//[^/\s]*@", "//", " ".join(str(cause).split()))
    return text if len(text) <= LONGEST_CAUSE else f"{text[:LONGEST_CAUSE]}…"
