"""Plain text cut into documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADING = re.compile(r"= (?!=).*(?<!=) =")
"""`= Title =`; that of a section has more signs: `= = Title = =` or `== Title ==`."""


def articles(text: str, name: str) -> Iterator[str]:
    """Articles, each of which begins with a heading `= Title =` between blank lines, as in WikiText.

    Text before the first heading is an article, too. Raises DataValidationError where there is no heading.
    """
    lines = text.split("\n")
    blank = [not line.strip() for line in lines] + [True]
    begins = [
        place
        for place, line in enumerate(lines)
        if HEADING.fullmatch(line.strip()) and blank[place + 1] and (place == 0 or blank[place - 1])
    ]
    if not begins:
        raise DataValidationError(
            f"{name}: no line is a heading such as `= Title =`, by which an article begins; set "
            "`source.documents: blocks` or `files`"
        )
    for begin, end in zip([0, *begins], [*begins, len(lines)], strict=True):
        if any(not empty for empty in blank[begin:end]):
            yield "\n".join(lines[begin:end])


def blocks(text: str, name: str) -> Iterator[str]:  # noqa: ARG001  (every text has them)
    """Blocks of lines, which blank lines divide."""
    yield from (block for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if block.strip())


def whole(text: str, name: str) -> Iterator[str]:  # noqa: ARG001  (every text is one)
    """The text as one document."""
    yield text


CUTS: dict[str, Callable[[str, str], Iterator[str]]] = {"articles": articles, "blocks": blocks, "files": whole}
