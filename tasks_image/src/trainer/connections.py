"""Airflow's connections as a step sees them: one environment variable each, in Airflow's own form of an address."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from trainer.addresses import is_sensitive, without_login
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

PREFIX = "TRAINER_CONNECTION_"
EXTRA = "__extra__"
"""Under this name Airflow puts what it cannot write as parameters of an address."""


@dataclass(frozen=True)
class Connection:
    """Where a server is, and a login for it; the password is in no text that this gives."""

    name: str
    host: str
    port: int | None
    database: str
    user: str
    password: str = field(repr=False)
    options: dict[str, str] = field(repr=False)
    """What else the connection says, by name; secrets of a session can be among it."""


def variable_of(connection: str) -> str:
    """The environment variable that a connection is read from.

    >>> variable_of("warehouse")
    'TRAINER_CONNECTION_WAREHOUSE'
    """
    return PREFIX + connection.upper()


def is_connection(variable: str) -> bool:
    """Whether an environment variable of this name holds a connection."""
    return variable.startswith(PREFIX)


def read_connection(name: str) -> Connection:
    """The connection of that name in this process's environment.

    Raises ConfigurationError, without the address, where there is none or it is no address.
    """
    variable = variable_of(name)
    address = os.environ.get(variable, "").strip()
    if not address:
        raise ConfigurationError(
            f"connection {name!r}: the variable {variable} is not set; where steps run locally it comes from the "
            f"Airflow connection {name!r}, in pods from a Secret (`kubernetes.secrets`), by hand: "
            f"export {variable}=postgresql://user:password@host:5432/database"
        )
    try:
        parts = urlsplit(address)
        _, user, password = without_login(address)
        database = unquote(parts.path.strip("/"))
        return Connection(name, unquote(parts.hostname or ""), parts.port, database, user, password, _options(parts))
    except (ValueError, AttributeError):
        raise ConfigurationError(
            f"connection {name!r}: {variable} is no address such as postgresql://user:password@host:5432/database; "
            "blanks, @, : and / in a user or a password have to be percent-encoded"
        ) from None


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    return options | {key: str(value) for key, value in json.loads(options.pop(EXTRA, "{}")).items()}


def secrets_of(address: str) -> set[str]:
    """What in a connection nobody else may see, each as it stands in its address and as it is meant.

    >>> sorted(secrets_of("postgresql://anna:p%40ss@host/db?sslmode=require"))
    ['p%40ss', 'p@ss']
    """
    try:
        parts = urlsplit(address.strip())
        options = _options(parts)
    except (ValueError, AttributeError):  # nobody knows what of it is a secret
        return {address.strip()}
    written = parts.netloc.rpartition("@")[0].partition(":")[2]
    meant = {unquote(written), *(value for key, value in options.items() if is_sensitive(key))}
    return {text for one in meant if one for text in (one, quote(one, safe=""), quote(one))} | {written} - {""}
