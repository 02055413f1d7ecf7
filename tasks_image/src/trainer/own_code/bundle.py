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
NOT_BUNDLED = frozenset({OWN, "__main__", "__mp_main__"})


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
    modules = {name: module for name, module in [*sys.modules.items()] if [*_places(module, root)]}
    names = frozenset(name.partition(".")[0] for name in modules) - NOT_BUNDLED
    paths = dict.fromkeys(path for name in sorted(names) for path in _places(sys.modules[name], root))
    files = [module.__file__ for name, module in modules.items() if name.partition(".")[0] in names]
    imports = {found for file in files if file for found in _imported(Path(file))}
    return Bundle(tuple(paths), names, frozenset(imports - names))


def _places(module: ModuleType, root: Path) -> Iterator[Path]:
    """The folders of a package (several if it has no `__init__.py`), or the file of a module, inside the root."""
    said = getattr(module, "__dict__", {})  # some modules make up any attribute that they are asked for
    found = [*said.get("__path__", [])] or [said.get("__file__") or ""]
    yield from (Path(place) for place in found if place and Path(place).resolve().is_relative_to(root))


def _imported(file: Path) -> Iterator[str]:
    """Top-level names that a file imports absolutely, inside functions as well."""
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
