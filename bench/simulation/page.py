"""The page `docs/simulation.md`, of which single sections can be replaced."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TITLE = "# Simulation: how often the rules decide wrongly"
INTRODUCTION = (
    "Written by `make simulate`. `SECTIONS=` names those to write anew: `promotion`, `months`, `freshness`, "
    "`retraining`, `experiments`, `drift`."
)


def with_sections(page: str, sections: Mapping[str, str], order: Iterable[str]) -> str:
    """Return the page with `sections` (title to text) added or replaced; other sections of `order` stay."""
    known = {**_sections(page), **sections}
    parts = [part for title in order if title in known for part in (f"## {title}", known[title])]
    return "\n\n".join([TITLE, INTRODUCTION, *parts]) + "\n"


def _sections(page: str) -> dict[str, str]:
    """Return the text of each section by its title."""
    _, *parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return {title: text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}
