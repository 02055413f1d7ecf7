"""What git says, and what it means for who reads it."""

from __future__ import annotations

import pytest

from trainer.errors import ConfigurationError, OutageError, TrainerError
from trainer.own_code.meaning import error_of

ADDRESS = "https://git.example/m.git"


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        pytest.param(
            "fatal: unable to access 'https://git.example/m.git/': Could not resolve host: git.example",
            OutageError, "cannot be reached", id="name",
        ),
        pytest.param("fatal: unable to access 'x': Failed to connect to git.example port 443", OutageError, "cannot", id="port"),
        pytest.param("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", OutageError, "502", id="502"),
        pytest.param("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", OutageError, "early EOF", id="torn"),
        pytest.param("error: RPC failed; HTTP 403 The requested URL returned error: 403", ConfigurationError, "login", id="403"),
        pytest.param("fatal: Authentication failed for 'https://git.example/m.git/'", ConfigurationError, "login", id="401"),
        pytest.param(
            "fatal: unable to access 'x': server certificate verification failed. CAfile: none CRLfile: none",
            ConfigurationError, "name the authority's file in GIT_SSL_CAINFO", id="certificate",
        ),
        pytest.param("fatal: unable to access 'x': SSL certificate problem: self-signed", ConfigurationError, "trusted", id="self-signed"),
        pytest.param("fatal: dumb http transport does not support shallow capabilities", ConfigurationError, "dumb", id="dumb"),
        pytest.param("fatal: transport 'ftp' not allowed", ConfigurationError, "correct the address", id="transport"),
        pytest.param("fatal: unable to access 'x': The requested URL returned error: 400", ConfigurationError, "400", id="400"),
        pytest.param("error: file write error: No space left on device", OutageError, "No space left", id="disk"),
        pytest.param("fatal: index file corrupt", TrainerError, "git failed: fatal: index file corrupt", id="unknown"),
    ],
)  # fmt: skip
def test_meanings(said: str, kind: type[TrainerError], expected: str) -> None:
    error = error_of(said, ADDRESS, has_login=False)
    assert type(error) is kind
    assert expected in str(error)
    assert str(error).startswith(f"code.repository: {ADDRESS}")


def test_only_the_lines_that_tell_a_cause_are_repeated_and_shortly() -> None:
    said = "hint: long advice\n" + "fatal: " + "x" * 1000
    text = str(error_of(said, ADDRESS, has_login=True))
    assert "hint" not in text
    assert len(text) < 400
