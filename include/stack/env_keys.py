"""The keys of .env: how each value is made, and which values are refused."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = re.compile(r"[A-Za-z0-9_-]{24,}")
PORT = re.compile(r"[1-9][0-9]{0,4}")
DIFFERENT_CHARACTERS = 10
FERNET_BYTES = 32
HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Key:
    """One key of .env."""

    name: str
    new: Callable[[], str]
    """Return a value for a new file."""
    mistake: Callable[[str], str | None]
    """Return what was expected of a value, or None if it is accepted."""
    is_secret: bool = True


def mistake_of_secret(value: str) -> str | None:
    """Return what a secret must look like unless this one does.

    >>> mistake_of_secret("airflow")
    'expected at least 24 characters of A-Z a-z 0-9 _ -, 10 of them different'
    """
    if SECRET.fullmatch(value) and len(set(value)) >= DIFFERENT_CHARACTERS:
        return None
    return f"expected at least 24 characters of A-Z a-z 0-9 _ -, {DIFFERENT_CHARACTERS} of them different"


def mistake_of_fernet_key(value: str) -> str | None:
    """Return what a Fernet key must look like unless this one does."""
    try:
        decoded = base64.b64decode(value, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) == FERNET_BYTES and len(set(decoded)) >= DIFFERENT_CHARACTERS:
        return None
    return "expected 32 random bytes in URL-safe base64"


def mistake_of_port(value: str) -> str | None:
    """Return what a port must look like unless this one does."""
    if PORT.fullmatch(value) and int(value) <= HIGHEST_PORT:
        return None
    return f"expected a number from 1 to {HIGHEST_PORT}"


def _password() -> str:
    return secrets.token_urlsafe(24)


def _long_secret() -> str:
    return secrets.token_urlsafe(64)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()


def _secret(name: str, new: Callable[[], str] = _password) -> Key:
    return Key(name, new, mistake_of_secret)


def _port(name: str, number: int) -> Key:
    return Key(name, lambda: str(number), mistake_of_port, is_secret=False)


KEYS = (
    _secret("AIRFLOW_ADMIN_PASSWORD"),
    Key("AIRFLOW_FERNET_KEY", _fernet_key, mistake_of_fernet_key),
    _secret("AIRFLOW_JWT_SECRET", _long_secret),
    _secret("AIRFLOW_SECRET_KEY", _long_secret),
    _secret("POSTGRES_PASSWORD"),
    _secret("AIRFLOW_DB_PASSWORD"),
    _secret("MLFLOW_DB_PASSWORD"),
    _secret("STUDIES_DB_PASSWORD"),
    _secret("CHURN_DB_PASSWORD"),
    _secret("DASHBOARDS_DB_PASSWORD"),
    _secret("REDIS_PASSWORD"),
    _secret("GRAFANA_ADMIN_PASSWORD"),
    _secret("GRAFANA_SECRET_KEY"),
    _secret("S3_ACCESS_KEY"),
    _secret("S3_SECRET_KEY"),
    _port("AIRFLOW_PORT", 8080),
    _port("MLFLOW_PORT", 5000),
    _port("GRAFANA_PORT", 3000),
    _port("S3_PORT", 8333),
    _port("MAIL_PORT", 8025),
)
