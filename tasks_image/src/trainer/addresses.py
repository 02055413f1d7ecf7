"""Addresses of files, servers and databases, and the secrets that may stand in them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

SENSITIVE = (
    r"[\w.-]*(?:signature|token|secret|passw(?:or)?d|passphrase|pwd|credential|api[_-]?key|access_?key|jwt)[\w.-]*"
    r"|(?:[\w.-]*[_.-])?pass|sig|key|auth|code|bearer"
)
"""What a parameter of an address is called whose value nobody else may see, as a regular expression."""
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?=:)")
DRIVER = "postgresql+psycopg2"
"""The one that is installed; by a plain `postgresql://`, SQLAlchemy means another."""
_KEY = re.compile(SENSITIVE, re.IGNORECASE)
_BY_HTTP = frozenset({"http", "https"})


def secret_in(address: str) -> str:
    """What in an address is a secret, in words that do not give it away; empty: nothing is.

    >>> secret_in("s3://lake/customers.csv")
    ''
    >>> secret_in("https://anna:pa55@host/customers.csv")
    'a password'
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # whoever opens it says what is wrong with it
        return ""
    login, at, _ = parts.netloc.rpartition("@")
    if ":" in login:
        return "a password"
    if at and parts.scheme in _BY_HTTP:
        return "a user name or a token"
    named = [key for key, value in parse_qsl(f"{parts.query}&{parts.fragment}") if value and is_sensitive(key)]
    return f"a secret ({named[0]})" if named else ""


def is_sensitive(key: str) -> bool:
    """Whether a parameter of this name holds what nobody else may see."""
    return _KEY.fullmatch(key) is not None


def without_login(address: str) -> tuple[str, str, str]:
    """An address without its login, and the user and password in it, unquoted.

    >>> without_login("http://anna:p%40ss@host:5000")
    ('http://host:5000', 'anna', 'p@ss')
    """
    parts = urlsplit(address)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return (parts._replace(netloc=host).geturl() if at else address), unquote(user), unquote(password)


def with_driver(address: str) -> str:
    """Return an address of PostgreSQL with the driver that is installed, unless it names one; others as they are.

    >>> with_driver("postgresql://host:5432/studies")
    'postgresql+psycopg2://host:5432/studies'
    """
    found = _POSTGRESQL.match(address)
    return address if found is None else DRIVER + address[found.end() :]
