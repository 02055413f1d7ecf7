"""The file .env: `make env` writes it once with random values, and `make up` checks it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from include.stack.docker import StackError
from include.stack.env_keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\r"
"""Characters that compose strips from a line as well."""
LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
HEADER = "# Written by `make env`; .env.example describes each key. It holds passwords: keep it out of Git and mails.\n"


def write_env(file: Path) -> bool:
    """Write the file with random values, mode 600, atomically; return False and change nothing if it exists."""
    content = HEADER + "".join(f"{key.name}={key.new()}\n" for key in KEYS)
    descriptor, scratch = tempfile.mkstemp(dir=file.parent, prefix=".env.")  # mode 600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(content)
        os.link(scratch, file)  # unlike a rename, it fails if the file exists
    except FileExistsError:
        return False
    finally:
        Path(scratch).unlink()
    return True


def read_env(file: Path) -> dict[str, str]:
    """Return the file's values by key. Raises FileNotFoundError, or ValueError for a line that is not KEY=value."""
    values: dict[str, str] = {}
    for number, line in enumerate(_text(file).split("\n"), 1):
        stripped = line.strip(BLANKS)
        if not stripped or stripped.startswith("#"):
            continue
        found = LINE.fullmatch(stripped)
        if found is None:
            raise ValueError(f".env: line {number} is not KEY=value; correct it")
        if found[1] in values:
            raise ValueError(f".env: {found[1]} is given twice, again in line {number}; remove one of them")
        values[found[1]] = found[2]
    return values


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f".env: line {line} is not UTF-8; write it anew") from None


def mistakes_of(file: Path) -> list[str]:
    """Return what is wrong with the file, one line each; no line holds a value."""
    try:
        values = read_env(file)
    except FileNotFoundError:
        return [_missing(file)]
    except OSError as error:
        return [f".env cannot be read ({error.strerror}); it has to be a file of yours"]
    except ValueError as error:
        return [str(error)]
    return [*_mode(file), *_values(values), *_repeated(values)]


def _missing(file: Path) -> str:
    if file.is_symlink():
        return f".env is a link to {file.readlink()}, which does not exist; remove it, then run make env"
    return ".env is missing; run make env"


def _mode(file: Path) -> Iterator[str]:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield f".env: mode {mode:o} lets other users in; run chmod 600 .env"


def _values(values: dict[str, str]) -> Iterator[str]:
    for key in KEYS:
        if not values.get(key.name):
            yield f".env: {key.name} is missing; add a line as .env.example describes it"
        elif expected := key.mistake(values[key.name]):
            what = "weak" if key.is_secret else "wrong"
            yield f".env: {key.name} is {what}: {expected}; .env.example says how to make one"


def _repeated(values: dict[str, str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for key in KEYS:
        value = values.get(key.name)
        if value and first.setdefault(value, key.name) != key.name:
            yield f".env: {key.name} has the value of {first[value]}; give it one of its own"


def create(project: Path) -> int:
    """Write .env and the data folder that containers mount; `make env`. Returns the exit code. Raises StackError."""
    file = project / ".env"
    try:
        with contextlib.suppress(FileExistsError):
            (project / ".data").mkdir()  # else Docker makes it, and it belongs to root
        is_new = write_env(file)
    except OSError as error:
        raise StackError(f"{project} takes no files ({error.strerror}); use a checkout that you may write to") from None
    if not (project / ".data").is_dir():
        raise StackError(".data is not a folder; move it away, then run make env")
    if not is_new and not file.exists():
        raise StackError(_missing(file))
    said = (
        "wrote .env with random values; make up starts the stack"
        if is_new
        else ".env is already there and stays as it is"
    )
    sys.stdout.write(f"{said}\n")
    return 0
