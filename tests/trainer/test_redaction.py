"""Texts without secrets."""

from __future__ import annotations

import pytest

from trainer.environment import secrets
from trainer.redaction import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such host: http://anna:pa55word@host:5000/x", "no such host: http://anna:***@host:5000/x"),
        ("(postgresql://u:p@ss:w@db:1/x)", "(postgresql://u:***@db:1/x)"),
        ("https://ghp_token@host/repository", "https://***@host/repository"),
        ("'https://b/x?X-Amz-Signature=abc&X-Amz-Date=1'", "'https://b/x?X-Amz-Signature=***&X-Amz-Date=1'"),
        ("https://b/x?sig=abc;page=2", "https://b/x?sig=***;page=2"),
        ("abfs://lake@account/x and s3://bucket/a:b@c", "abfs://lake@account/x and s3://bucket/a:b@c"),
        ("the limit http://host:5000/?page=2 is 3", "the limit http://host:5000/?page=2 is 3"),
    ],
)
def test_passwords_and_tokens_in_addresses_are_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_secrets_of_the_environment_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc/def+ghi")
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", "postgresql://u:p%40ssword@db/x")
    assert without_secrets("signed with abc/def+ghi, p@ssword, p%40ssword") == "signed with ***, ***, ***"


def test_secrets_of_a_child_process_can_be_named() -> None:
    child = {"MLFLOW_TRACKING_PASSWORD": "hunter22", "SHORT_TOKEN": "true", "WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
    assert secrets(child) == {"hunter22"}
    assert without_secrets("login hunter22", secrets(child)) == "login ***"


def test_a_secret_that_begins_like_a_shorter_one_is_hidden_whole() -> None:
    assert without_secrets("login hunter22-production", ["hunter22", "hunter22-production"]) == "login ***"
