"""Keeping secrets out of what is written down: error texts, logs, records."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainer.addresses import SENSITIVE
from trainer.environment import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"

_PASSWORD = re.compile(r"(://[^\s/?#'\"<>:@]*):[^\s/'\"<>]*@")
_TOKEN = re.compile(r"(https?://)[^\s/?#'\"<>:@]+@", re.IGNORECASE)
_PARAMETER = re.compile(rf"([?&;](?:{SENSITIVE})=)[^\s&;#'\"<>]+", re.IGNORECASE)


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """A text without the secrets of this process's environment, and without passwords and tokens in addresses.

    `known` are more texts to leave out, such as the secrets of a child process.

    >>> without_secrets("cannot reach http://anna:pa55@host/x?sig=abc&page=2")
    'cannot reach http://anna:***@host/x?sig=***&page=2'
    """
    for secret in sorted({*secrets(), *known}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _TOKEN.sub(rf"\1{HIDDEN}@", _PASSWORD.sub(rf"\1:{HIDDEN}@", text))
    return _PARAMETER.sub(rf"\1{HIDDEN}", text) if "=" in text else text
