"""The modules of a clone that a model needs wherever it is loaded."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.environment import variable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

OWN = "trainer"
"""It is bundled with every model, wherever it comes from."""


@dataclass(frozen=True)
class Bundle:
    """What goes with a model besides this package."""

    paths: tuple[Path, ...] = ()
    """Packages and single modules, by their place."""
    names: frozenset[str] = frozenset()
    """What they are imported as."""
    imports: frozenset[str] = frozenset()
    """Top-level names of all else that they import."""


NOTHING = Bundle()


def bundle() -> Bundle:
    """What has been imported from the clone by now: the estimators' packages whole, and those that they use.

    An estimator has been fitted and has predicted before it is saved, so what it needs is imported.
    """
    folder = variable("code")
    if not folder:
        return NOTHING
    root = Path(folder).resolve()
    modules = {name: module for name, module in [*sys.modules.items()] if _lies_in(module, root)}
    names = frozenset(name.partition(".")[0] for name in modules) - {OWN}
    paths = dict.fromkeys(path for name in sorted(names) for path in _places(sys.modules[name], root))
    imports = {found for path in paths for file in _sources(path) for found in _imported(file)}
    return Bundle(tuple(paths), names, frozenset(imports - names))


def _lies_in(module: ModuleType, root: Path) -> bool:
    return any(True for _ in _places(module, root))


def _places(module: ModuleType, root: Path) -> Iterator[Path]:
    """The folders of a package (several if it has no `__init__.py`), or the file of a module, inside the root."""
    found = [*getattr(module, "__path__", [])] or [getattr(module, "__file__", None) or ""]
    yield from (Path(place).resolve() for place in found if place and Path(place).resolve().is_relative_to(root))


def _sources(path: Path) -> Iterator[Path]:
    yield from path.rglob("*.py") if path.is_dir() else [path]


def _imported(file: Path) -> Iterator[str]:
    """Top-level names that a file imports absolutely, inside functions as well."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # nothing has imported it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
