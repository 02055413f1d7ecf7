"""Airflow's connections as a step reads them, and what of them is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection as AirflowConnection

from trainer.connections import is_connection, read_connection, secrets_of, variable_of
from trainer.environment import secrets
from trainer.errors import ConfigurationError
from trainer.redaction import without_secrets

VARIABLE = "TRAINER_CONNECTION_WAREHOUSE"
ODD = "p@ss:w/rd %'\\?#é"


def airflow(conn_type: str = "postgres", **said: Any) -> AirflowConnection:
    return AirflowConnection(conn_id="warehouse", conn_type=conn_type, **said)


def test_its_variable_is_named_after_it() -> None:
    assert variable_of("warehouse") == VARIABLE
    assert is_connection(VARIABLE)
    assert not is_connection("AIRFLOW_CONN_WAREHOUSE")


@pytest.mark.parametrize(
    "connection",
    [
        airflow(host="db.example.com", login="anna", password=ODD, schema="sales", port=5433),
        airflow(host="::1", login="a@b:c", password="planted/1", schema="a/b", port=1),
        airflow(host="/var/run/postgresql", login="anna", schema="sales"),
        airflow(host="db", extra=json.dumps({"sslmode": "require", "connect_timeout": 5})),
        airflow(conn_type="aws", login="AKIA1", password="abc/def+ghi=", extra='{"region_name": "eu-west-1"}'),
    ],
    ids=["odd password", "IPv6", "socket", "options", "aws"],
)  # fmt: skip
def test_what_airflow_writes_is_read_back(connection: AirflowConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{connection.get_uri()}\n")  # a Secret made from a file ends so
    found = read_connection("warehouse")
    assert (found.host, found.port, found.database) == (connection.host or "", connection.port, connection.schema or "")
    assert (found.user, found.password) == (connection.login or "", connection.password or "")
    assert found.options == {name: str(value) for name, value in connection.extra_dejson.items()}


def test_what_airflow_cannot_write_as_parameters_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = airflow(conn_type="aws", extra='{"config": {"retries": 3}, "aws_session_token": "planted-token"}')
    monkeypatch.setenv(VARIABLE, connection.get_uri())
    assert read_connection("warehouse").options == {"config": "{'retries': 3}", "aws_session_token": "planted-token"}
    assert secrets() >= {"planted-token"}


def test_a_connection_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " \n")
    with pytest.raises(
        ConfigurationError, match=f"'warehouse': the variable {VARIABLE} is not set; .* by hand: export"
    ):
        read_connection("warehouse")


@pytest.mark.parametrize(
    "address",
    ["postgresql://anna:planted@db:54x2/sales", "postgresql://anna:planted@[db/sales", "aws://?__extra__=planted{", "aws://?__extra__=[1]"],
    ids=["port", "bracket", "no JSON", "no mapping"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(ConfigurationError, match="is no address such as .*percent-encoded") as raised:
        read_connection("warehouse")
    assert "planted" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert "planted" not in without_secrets(f"tried {address}")


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("postgres://anna:p%40ssword@db/sales", {"p@ssword", "p%40ssword"}),
        ("postgres://anna:a%2Fb%2Bc%20d@db", {"a/b+c d", "a%2Fb%2Bc%20d", "a/b%2Bc%20d"}),
        ("postgres://:planted@db", {"planted"}),
        ("postgres://anna@db/sales?sslmode=require", set()),
        ("postgres://db?sslpassword=planted%2F1", {"planted/1", "planted%2F1"}),
        ("aws://?__extra__=%7B%22aws_secret_access_key%22%3A+%22planted%22%7D", {"planted"}),
        ("aws://?__extra__=planted", {"aws://?__extra__=planted"}),
    ],
    ids=["quoted", "two ways to quote", "no user", "none", "option", "extra", "unreadable: all of it"],
)
def test_secrets_are_known_as_they_are_written_and_as_they_are_meant(
    address: str, hidden: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secrets_of(address) == hidden
    for variable in (VARIABLE, "TRAINER_CONNECTION_TOKEN_STORE"):
        assert secrets({variable: address}) == hidden
    monkeypatch.setenv(VARIABLE, address)
    assert without_secrets(f"tried {' and '.join(sorted(hidden))}.") == f"tried {' and '.join('***' for _ in hidden)}."


def test_a_connection_shows_neither_password_nor_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgres://anna:planted@db/sales?sslpassword=planted")
    assert "planted" not in repr(read_connection("warehouse"))
