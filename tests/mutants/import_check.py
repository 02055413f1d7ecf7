"""Pytest plugin that stops unless product files are imported from the project under test."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath

import pytest

SOURCE_FOLDER = "tasks_image/src/"
OPTION = "--product-file"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="append", default=[], metavar="FILE", help="has to be imported from this project")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Raise UsageError (exit code 4) if a product file would be imported from elsewhere."""
    for file in session.config.getoption(OPTION):
        expected = session.config.rootpath / file
        found = imported_file(module_of(file))
        if found is None or found.resolve() != expected.resolve():
            raise pytest.UsageError(f"expected {file} to be imported from {expected}, found {found}; check PYTHONPATH")


def module_of(file: str) -> str:
    """Return the module name of a product file.

    >>> module_of("tasks_image/src/trainer/run/folder.py"), module_of("include/operators/base.py")
    ('trainer.run.folder', 'include.operators.base')
    """
    return ".".join(PurePosixPath(file.removeprefix(SOURCE_FOLDER)).with_suffix("").parts)


def imported_file(module: str) -> Path | None:
    """Return the file that an import of the module would run."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None
