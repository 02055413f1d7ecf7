"""Texts without secrets."""

from __future__ import annotations

import base64
import json
import os
from urllib.parse import quote

import pytest

from trainer.connections import is_connection
from trainer.environment import is_secret_name, secrets
from trainer.redaction import without_secrets


@pytest.fixture(autouse=True)
def _without_own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of other tests leave logins in the environment, such as `secret`."""
    for name in [name for name in os.environ if is_secret_name(name) or is_connection(name)]:
        monkeypatch.delenv(name)


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DB_PASS=hunter22 DB_USER=anna", "DB_PASS=*** DB_USER=anna"),
        ("cannot log in: password=1234, host=db", "cannot log in: password=***, host=db"),
        ("pgpass; POSTGRES_PWD='a b'; retry", "pgpass; POSTGRES_PWD=***; retry"),
        ("token=abc.def-1 page=2", "token=*** page=2"),
        ('{"user": "anna", "db_password": "pa55", "rows": 3}', '{"user": "anna", "db_password": "***", "rows": 3}'),
        ("{'api_key': 'k-1', 'n': 1}", "{'api_key': '***', 'n': 1}"),
        (r'body: "{\"client_secret\": \"s3\", \"n\": 1}"', r'body: "{\"client_secret\": \"***\", \"n\": 1}"'),
        ("login:\n  user: anna\n  password: pa55\n", "login:\n  user: anna\n  password: ***\n"),
        ("run: load --db-password pa55 --rows 3", "run: load --db-password *** --rows 3"),
        ("Authorization: Bearer abc123.def", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic YW5uYTpwYTU1'}", "{'Authorization': 'Basic ***'}"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln from it", "got *** from it"),
        ("remote: ghp_0123456789abcdefABCD is not valid", "remote: *** is not valid"),
        ("https://h/x#access_token=abc&state=1", "https://h/x#access_token=***&state=1"),
    ],
)
def test_what_its_name_or_form_gives_away_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "512 tokens: 3.2 nats, pad_token=50256, use_token=true", "passed=3, bypass=yes, compass=north",
        "Basic authentication is needed", "the password: it is in .env", "secrets: trainer-s3, trainer-studies",
        "key=monthly_charges: 3 rows", "tokens_per_second=12,345", "the column 'token': 4 values", "token: none",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert without_secrets(text) == text


def test_a_long_line_costs_no_more_than_its_length() -> None:
    for text in (
        "-" * 200_000,
        "a_" * 100_000 + "pass",
        "\\" * 200_000 + '"',
        "\n" * 200_000 + "password",
        "eyJ" * 60_000,
    ):
        assert without_secrets(text) == text


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_secret_is_hidden_in_json_addresses_and_base64(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    secret = 'pa"55/wörd+'
    monkeypatch.setenv("DB_PASS", secret)
    login = base64.b64encode(f"{before}:{secret}:more".encode()).decode()
    for text in (json.dumps(f"login {secret} refused"), f"h/{quote(secret, safe='')}/x", f"Proxy: {login}"):
        hidden = without_secrets(text)
        assert "***" in hidden
        assert not any(part in hidden for part in ("55", "w%C3", login))


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
