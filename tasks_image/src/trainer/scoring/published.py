"""The record of a publication."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Scored rows, visible to everybody."""

    address: str
    rows: int
    replaced: int | None
    """Rows of an earlier try that were replaced; None if the output does not say."""
