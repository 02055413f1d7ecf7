"""Texts that may hold values of the data, as a terminal can show them without obeying them."""

from __future__ import annotations

import re

LONGEST = 20_000
"""Characters of an error's message: more fills logs, mails and pages, and nobody reads it."""
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of what follows."""


def printable(text: str) -> str:
    r"""Return a text whose control characters are written as escapes; tabs and line breaks stay.

    >>> printable("paid\x1b[2Jby card")
    'paid\\x1b[2Jby card'
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_record(text: str) -> str:
    r"""Return the same with further lines indented, so that a value with a line break cannot pass for a record.

    >>> one_record("anna\nERROR trainer: lost")
    'anna\n  ERROR trainer: lost'
    """
    return printable(text).replace("\n", "\n  ")


def shortened(text: str, longest: int = LONGEST) -> str:
    r"""Return a text of at most about `longest` characters: what is too long keeps its beginning and its end.

    >>> shortened("a" * 50 + "b" * 50, longest=20)
    'aaaaaaaaaa … 80 characters … bbbbbbbbbb'
    """
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"
