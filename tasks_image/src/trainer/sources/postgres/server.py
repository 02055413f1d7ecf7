"""A PostgreSQL server: how it is reached, and what its refusals mean."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError, OutageError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.connections import Connection
    from trainer.errors import TrainerError

PORT = 5432
CONNECTION = {
    "application_name": "trainer",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's: a server that is gone without a word is noticed within a minute or so."""
OPTIONS = frozenset({
    *CONNECTION, "channel_binding", "gssencmode", "hostaddr", "keepalives", "krbsrvname", "options", "require_auth",
    "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcrl", "sslcrldir", "sslkey",
    "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni", "target_session_attrs",
})  # fmt: skip
"""What else of libpq's parameters a connection may say."""

_LOGIN_REFUSED = re.compile(
    r'authentication failed|no password supplied|(role|database) "[^"]*" does not exist|pg_hba\.conf|not permitted to'
    r" log in|permission denied for database|does not support SSL|certificate|private key file|invalid \S+ value"
)
"""How libpq says it, which tells no code for what happens before a session begins."""
_ADVICE = {
    "42P01": "mend `source.table` (it may need its schema; capitals count) or the query",
    "3F000": "mend `source.table` (capitals count) or the query",
    "42703": "mend the query, or the table",
    "42501": "let the user of the connection read it: GRANT USAGE on the schema, GRANT SELECT on the table",
}  # fmt: skip
"""By SQLSTATE, what helps where a table or a column is not there, or may not be read."""
_DATA, _READ_ONLY, _TOLD_TO_STOP = "22", "25006", "57014"
_WRONG = ("42", "0A", _READ_ONLY)
"""How the codes begin of what is wrong with a query itself."""


def place_of(connection: Connection) -> str:
    """The server's host and port, as an address has them."""
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{host}:{connection.port or PORT}"


def conninfo(connection: Connection) -> str:
    """A connection as libpq takes it. Nothing that it says is left to libpq's own variables, such as PGPASSWORD.

    Raises ConfigurationError, without any value, for a connection that is not whole or says what libpq does not know.
    """
    own = {"host": connection.host, "dbname": connection.database, "user": connection.user}
    if absent := [name for name, value in own.items() if not value]:
        raise ConfigurationError(
            f"connection {connection.name!r} has no {absent[0]}; it needs host, database (Airflow: Schema) and user "
            "(Airflow: Login)"
        )
    if unknown := sorted({*connection.options} - OPTIONS):
        raise ConfigurationError(
            f"connection {connection.name!r}: PostgreSQL's client takes no parameter {unknown[0]!r} (Airflow: Extra)"
            f"{did_you_mean(unknown[0], OPTIONS)}"
        )
    login = {"port": connection.port or PORT, "password": connection.password, "client_encoding": "UTF8"}
    whole = {**CONNECTION, **connection.options, **own, **login}
    return " ".join(f"{name}='{_escaped(str(value))}'" for name, value in whole.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("'", r"\'")


@contextlib.contextmanager
def answering(connection: Connection, address: str) -> Iterator[None]:
    """What PostgreSQL refuses, or that it does not answer, as errors that say what to do; none holds the password.

    `address` is what is read. What a retry may mend is an OutageError.
    """
    import adbc_driver_manager as adbc

    try:
        yield
    except adbc.Error as error:
        said = server_message(str(error))
        if connection.password:
            said = said.replace(connection.password, "***")
        raise _failure(error.sqlstate or "", said, connection, address) from None  # its own text quotes the query


def server_message(text: str) -> str:
    """The server's own first line, which stands behind two blanks in whatever language, or else libpq's words."""
    told = re.search(r":  (.+)", text)
    return told[1].strip() if told else " ".join((text.partition("Failed to connect: ")[2] or text).split())


def _failure(code: str, said: str, connection: Connection, address: str) -> TrainerError:
    place = f"PostgreSQL at {place_of(connection)}"
    if not code and _LOGIN_REFUSED.search(said):
        return ConfigurationError(f"{place} does not accept the connection {connection.name!r}: {said}; correct it")
    if code in _ADVICE:
        return DataValidationError(f"{address}: {said}; {_ADVICE[code]}")
    if code.startswith(_WRONG):
        only = "; one SELECT that changes nothing is allowed" if code == _READ_ONLY else ""
        return ConfigurationError(f"source: {said}{only}")
    if code.startswith(_DATA):
        return DataValidationError(f"{address}: {said}; mend the data, or the query that computes with it")
    if code == _TOLD_TO_STOP:
        return OutageError(f"{place} has stopped reading {address}: {said}; ask for less, or allow more time there")
    correct = f"start or mend it, or correct the connection {connection.name!r}"
    return OutageError(f"{place} does not answer, or has stopped to: {said}; {correct}")
