"""A mail as plain text, 78 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.mail.content import Mail

WIDTH = 78


def as_text(mail: Mail) -> str:
    """The mail's plain part."""
    return "\n".join(_lines(mail)) + "\n"


def _lines(mail: Mail) -> Iterator[str]:
    yield from _wrapped(f"{mail.pipeline}: {mail.headline}")
    yield ""
    for reason in mail.reasons:
        yield from _wrapped(reason)
    yield from ["", "What to do", *_wrapped(mail.next_step, "  "), ""]
    for name, value in mail.facts:
        yield from _wrapped(f"{name}: {value}", later="  ")
    for title, rows in (("Gates not passed", mail.gates), ("Candidates", mail.candidates)):
        yield from _table(title, rows)
    yield ""
    yield from (f"{name}: {address}" for name, address in mail.links)  # an address is never broken


def _wrapped(text: str, indent: str = "", later: str = "") -> list[str]:
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(
            paragraph,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent or later,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _table(title: str, rows: list[dict[str, str]]) -> Iterator[str]:
    if not rows:
        return
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    yield from ("", title)
    for row in ({key: key for key in rows[0]}, *rows):
        yield "  " + "  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip()
