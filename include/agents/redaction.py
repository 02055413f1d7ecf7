"""Keeping secrets out of the log lines and messages that a tool returns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"
_NAMES = (
    r"(?:[\w.-]*[_.-])?(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
)
_FORMS = (
    re.compile(r"(://)[^\s/?#'\"<>@]+(?=@)"),
    re.compile(rf"((?<![\w.-]){_NAMES}[\"']?\s*[=:]\s*[\"']?)[^\s\"'&;,)\]}}]+", re.IGNORECASE),
    re.compile(r"(\b(?:bearer|basic)[ \t]+)[\w.~+/-]{8,}=*", re.IGNORECASE),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"),
)
"""A secret follows the group. Airflow and the steps have masked their own secrets before; this is a second look."""


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Return a text without the known secrets, and without those that their name or form gives away.

    >>> without_secrets("cannot reach https://anna:pa55@host with token=abc", ["abc"])
    'cannot reach https://***@host with token=***'
    """
    for secret in sorted({*known, *(quote(one, safe="") for one in known)}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern in _FORMS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text
