"""What git's errors mean: who has to do what, and whether trying again can help."""

from __future__ import annotations

import re

from trainer.errors import ConfigurationError, OutageError, TrainerError
from trainer.pipeline.own_code import LOGIN_VARIABLES
from trainer.run.outages import RETRY

LONGEST = 300

_LOGIN = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|HTTP 40[13]|Access denied"
)
_ABSENT = re.compile(
    r"repository '.*' not found|does not appear to be a git repository|returned error: (?:404|410)"
    r"|not valid: is this a git repository|Repository not found",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"certificate|SSL CA|CAfile", re.IGNORECASE)
_ADDRESS = re.compile(
    r"transport '.*' not allowed|not supported or disabled|dumb http transport|URL rejected|Malformed"
    r"|returned error: 4\d\d"
)
_OUTAGE = re.compile(
    r"Could not resolve|Failed to connect|Couldn't connect|Connection (?:refused|reset|timed out)|Operation too slow"
    r"|Operation timed out|returned error: (?:5\d\d|408|425|429)|early EOF|RPC failed|hung up unexpectedly|Empty reply"
    r"|unexpected disconnect|SSL_ERROR|TLS|Recv failure|Send failure|transfer closed|No space left|Disk quota",
    re.IGNORECASE,
)
NOT_THERE = re.compile(r"not our ref|couldn't find remote ref|unadvertised object|no such remote ref", re.IGNORECASE)
"""The server does not have what was asked for by name, or does not hand it out by its digits."""


def error_of(said: str, repository: str, *, has_login: bool) -> TrainerError:
    """The error that a text of git's means, saying what to do."""
    where, words = f"code.repository: {repository}", _short(said)
    if _LOGIN.search(said):
        return ConfigurationError(f"{where} {_about_login(has_login=has_login)} ({words})")
    if _ABSENT.search(said):
        hint = "" if has_login else f"; if it is private, put its login into {LOGIN_VARIABLES}"
        return ConfigurationError(
            f"{where} does not exist, or is no git repository: correct the address{hint} ({words})"
        )
    if _CERTIFICATE.search(said):
        return ConfigurationError(
            f"{where}: its certificate is not trusted; name the authority's file in GIT_SSL_CAINFO ({words})"
        )
    if _OUTAGE.search(said):
        return OutageError(f"{where} cannot be reached ({words}). {RETRY}")
    if _ADDRESS.search(said):
        return ConfigurationError(f"{where} cannot be used: correct the address ({words})")
    return TrainerError(f"{where}: git failed: {words}")


def _about_login(*, has_login: bool) -> str:
    if has_login:
        return f"refuses the login: correct {LOGIN_VARIABLES}, which must have the right to read it"
    return f"asks for a login: put it into {LOGIN_VARIABLES}, as a Secret; or it does not exist"


def _short(said: str) -> str:
    """Git's last words, which name the cause."""
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:", "remote:"))]
    text = "; ".join(dict.fromkeys(lines)) or " ".join(said.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
