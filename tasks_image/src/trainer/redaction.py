"""Keeping secrets out of what is written down: error texts, logs, records."""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from trainer.addresses import SENSITIVE
from trainer.environment import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"
SHORTEST_IN_BASE64 = 8
"""Characters; a shorter piece would be found by chance."""

_PASSWORD = re.compile(r"(://[^\s/?#'\"<>:@]*):[^\s/'\"<>]*@")
_LOGIN = re.compile(r"(https?://)[^\s/?#'\"<>:@]+@", re.IGNORECASE)
_PARAMETER = re.compile(rf"([?&;#](?:{SENSITIVE})=)[^\s&;#'\"<>]+", re.IGNORECASE)

_SURE = r"password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|jwt"
_WORDS = rf"(?:[\w.-]*[_.-])?(?:{_SURE}|pass|token|credentials?)"
_BEGINS = r"(?<![\w.-])"
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&;,)\]}]+)"
_UNLESS_PLAIN = r"(?!(?:\d{1,6}|true|false|none|null)(?![\w.-]))"
_NAMED = (
    re.compile(rf"({_BEGINS}(?:[\w.-]*[_.-])?(?:{_SURE})=){_VALUE}", re.IGNORECASE),
    re.compile(rf"({_BEGINS}{_WORDS}=){_UNLESS_PLAIN}{_VALUE}", re.IGNORECASE),
    re.compile(rf"([\"']{_WORDS}\\*[\"']\s*:\s*\\*[\"'])[^\"']+?(?=\\*[\"'])", re.IGNORECASE),  # JSON, also within JSON
    re.compile(
        rf"(^[ \t]*(?:- )?{_WORDS}:[ \t]+){_UNLESS_PLAIN}{_VALUE}(?=[ \t]*$)", re.IGNORECASE | re.MULTILINE
    ),  # YAML
    re.compile(rf"({_BEGINS}--{_WORDS}[ \t]+){_VALUE}", re.IGNORECASE),
    re.compile(r"(\b(?:bearer|basic)[ \t]+)(?=[^\s\"']*[\d=])[\w.~+/-]{8,}=*", re.IGNORECASE),  # a header's login
    re.compile(r"()\b(?:eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|gh[pousr]_\w{16,}|hf_\w{16,}|glpat-[\w-]{16,})"),
)
"""A secret follows the group, by the name before it or by its own form."""
_MAY_BE_NAMED = re.compile(
    r"pass|pwd|secret|token|key|jwt|credential|bearer|basic|eyJ|gh[pousr]_|hf_|glpat-", re.IGNORECASE
)


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Return a text without the secrets of this process's environment, and without those that their names give away.

    A secret of the environment is found as it is, and as addresses, JSON and base64 (a header's login) write it.

    :param known: more texts to hide, such as the secrets of a child process

    >>> without_secrets("cannot reach http://anna:pa55@host/x?sig=abc&page=2")
    'cannot reach http://anna:***@host/x?sig=***&page=2'
    >>> without_secrets('{"password": "pa55", "rows": 3}')
    '{"password": "***", "rows": 3}'
    """
    spelled = {spelling for secret in {*secrets(), *known} for spelling in _spellings(secret)}
    for secret in sorted(spelled, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _LOGIN.sub(rf"\1{HIDDEN}@", _PASSWORD.sub(rf"\1:{HIDDEN}@", text))
    if "=" in text:
        text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    if _MAY_BE_NAMED.search(text):
        for pattern in _NAMED:
            text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


@functools.lru_cache(maxsize=256)
def _spellings(secret: str) -> frozenset[str]:
    return frozenset({secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *_in_base64(secret)})


def _in_base64(secret: str) -> set[str]:
    """Return the characters that a secret has within longer base64, for each of the three places it may begin at."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret.encode()).decode()
        first, end = -(-before * 8 // 6), (before + len(secret.encode())) * 8 // 6
        found |= {encoded[first:end], encoded[first:end].replace("+", "-").replace("/", "_")}
    return {text for text in found if len(text) >= SHORTEST_IN_BASE64}
