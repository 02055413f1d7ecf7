"""What of an AWS connection a step takes, and what it refuses for not taking it."""

from __future__ import annotations

import pytest

from trainer.connections import Connection, read_connection
from trainer.errors import ConfigurationError
from trainer.sources.s3.login import S3Login, login_of


def connection_with(**options: str) -> Connection:
    return Connection("lake", "", None, "", "key", "planted", options)


def test_without_a_connection_the_environment_says_all() -> None:
    assert login_of(None) == S3Login(None, None, None, None, None)


def test_keys_stand_as_login_and_password_or_among_the_extras() -> None:
    expected = S3Login("key", "planted", "token", "eu-west-1", "http://store:9000")
    where = {"aws_session_token": "token", "region_name": "eu-west-1", "endpoint_url": "http://store:9000"}
    assert login_of(connection_with(**where)) == expected
    extras = {"aws_access_key_id": "key", "aws_secret_access_key": "planted", **where}
    assert login_of(Connection("lake", "", None, "", "", "", extras)) == expected
    assert not any(secret in repr(expected) for secret in ("planted", "token"))


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("role_arn", "arn:aws:iam::1:role/reader", "AWS_ROLE_ARN"),
        ("assume_role_method", "assume_role", "workload identity"),
        ("profile_name", "research", "AWS_PROFILE"),
        ("session_kwargs", "{'aws_access_key_id': 'planted'}", "login and the password"),
        ("verify", "False", "AWS_CA_BUNDLE"),
        ("config_kwargs", "{'signature_version': 'unsigned'}", "AWS_CONFIG_FILE"),
        ("service_config", "{'s3': {'endpoint_url': 'http://planted'}}", "endpoint_url of a connection"),
    ],
)
def test_what_a_step_does_not_take_is_refused_with_where_it_belongs(name: str, value: str, where: str) -> None:
    with pytest.raises(ConfigurationError, match=f"connection 'lake': its {name} is of no use here.*{where}") as raised:
        login_of(connection_with(**{name: value}))
    assert "planted" not in str(raised.value)


def test_extras_that_say_nothing_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = "%7B%22config_kwargs%22%3A+%7B%7D%2C+%22verify%22%3A+true%2C+%22role_arn%22%3A+null%7D"
    monkeypatch.setenv("TRAINER_CONNECTION_LAKE", f"aws://key:planted@/?__extra__={extra}")
    assert login_of(read_connection("lake")) == S3Login("key", "planted")
