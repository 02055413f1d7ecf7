"""Warnings of libraries that tell nothing a person could act on."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def ignored_warning(message: str) -> Iterator[None]:
    """Hide one library's warning, named by the start of its text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message)
        yield
