"""Temporary files of a step: all in one place, so that the next try removes what a killed one has left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST_DIGITS = 16


@contextlib.contextmanager
def scratch_space(step: str) -> Iterator[Path]:
    """An empty folder where temporary files of this process and its children go; `step` is a step's address.

    Raises ConfigurationError if another user has taken the folder's place, or has put a link there.
    """
    name = f"{os.getuid()}:{step}"
    place = Path(tempfile.gettempdir()) / f"trainer-{hashlib.sha256(name.encode()).hexdigest()[:DIGEST_DIGITS]}"
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.mkdir(mode=0o700)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{place} is a link, or belongs to another user, so temporary files cannot be put there; remove it, or set "
            "TMPDIR to a folder that only this user may write to"
        ) from error
    tempfile.tempdir = os.environ["TMPDIR"] = str(place)
    try:
        yield place
    finally:
        tempfile.tempdir, variable = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(place, ignore_errors=True)
