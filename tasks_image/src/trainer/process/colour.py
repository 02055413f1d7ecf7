"""Colour for a person at a terminal, and for nobody else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainer.environment import colour_is_refused

if TYPE_CHECKING:
    from typing import TextIO

GREEN, YELLOW, RED, RESET = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"

PAINTED = tuple(
    (re.compile(pattern, re.MULTILINE), colour)
    for pattern, colour in (
        (r"^(?:PROMOTED|REGISTERED|TRAINED): .*$", GREEN),
        (r"^(?:KEPT|UNFINISHED): .*$", YELLOW),
        (r"^(?:REFUSED|FAILED): .*$", RED),
        (r"\bFAIL$", RED),
        (r"\bno gain$", YELLOW),
        (r"^  warning:", YELLOW),
        (r"^WARNING\b", YELLOW),
        (r"^(?:ERROR|CRITICAL)\b", RED),
    )
)
"""Outcomes and verdicts of a summary, and the levels of log lines."""


def painted(text: str, stream: TextIO) -> str:
    """The text with its outcome, verdicts and levels coloured if the stream is a terminal; else as it is."""
    if not stream.isatty() or colour_is_refused():
        return text
    for pattern, colour in PAINTED:
        text = pattern.sub(rf"{colour}\g<0>{RESET}", text)
    return text
