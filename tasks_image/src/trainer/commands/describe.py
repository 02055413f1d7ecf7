"""`trainer describe`: what this installation is, and which of the package's extras are complete."""

from __future__ import annotations

import importlib
import json
import os
import platform
import pwd
import re
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer import __version__
from trainer.environment import cores
from trainer.errors import ConfigurationError
from trainer.process.gpu import visible_gpus

if TYPE_CHECKING:
    import argparse

MODULES = {"great-expectations": "great_expectations", "psycopg2-binary": "psycopg2", "PyYAML": "yaml",
           "scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}  # fmt: skip
"""Packages whose module has another name."""
REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+).*?\bextra == ['"](?P<extra>[\w-]+)['"]""")


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "describe",
        help="print what this installation or image holds",
        description="Print versions, user, cores, GPUs, and for each extra of the package whether all that it promises "
        "is there: every library is imported. Building an image ends with this command.",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--extra", action="append", default=[], metavar="NAME", help="exit with 2 unless it is complete; repeatable"
    )
    command.add_argument(
        "--bytecode", action="store_true", help="exit with 2 unless every module that was imported has its bytecode"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it; returns 0. Raises ConfigurationError for an extra that is asked for and not complete."""
    promised = extras()
    if unknown := sorted(set(arguments.extra) - set(promised)):
        raise ConfigurationError(f"--extra {', '.join(unknown)}: no such extra; there are {', '.join(promised)}")
    found = described(promised)
    sys.stdout.write((json.dumps(found, indent=2) if arguments.json else as_text(found)) + "\n")
    missing = [_complaint(name, faults) for name in arguments.extra if (faults := found["extras"][name])]
    if arguments.bytecode and (slow := uncompiled_modules()):
        missing.append(f"{len(slow)} modules have no bytecode and are compiled at each start: {', '.join(slow[:3])}, …")
    if missing:
        raise ConfigurationError("; ".join(missing))
    return 0


def uncompiled_modules() -> list[str]:
    """The imported modules whose bytecode is not on disk."""
    specs = {name: getattr(module, "__spec__", None) for name, module in [*sys.modules.items()]}
    cached = {name: spec.cached for name, spec in specs.items() if spec is not None and spec.has_location}
    return sorted(name for name, file in cached.items() if file is not None and not Path(file).exists())


def extras() -> dict[str, list[str]]:
    """The packages that each extra of `trainer` promises, from the metadata it was installed with."""
    promised: dict[str, list[str]] = {}
    for requirement in metadata.requires("trainer") or []:
        if found := REQUIREMENT.fullmatch(requirement):
            promised.setdefault(found["extra"], []).append(found["package"])
    return promised


def described(promised: dict[str, list[str]]) -> dict[str, Any]:
    """All that is printed; `extras` holds for each one the packages that do not import, and why."""
    packages = sorted({package for names in promised.values() for package in names})
    faults = {package: why for package in packages if (why := import_fault(package))}
    return {
        "trainer": __version__,
        "python": platform.python_version(),
        "user": user(),
        "cores": cores(),
        "gpus": visible_gpus(),
        "extras": {
            extra: {name: faults[name] for name in names if name in faults} for extra, names in promised.items()
        },
        "libraries": {package: version_of(package) for package in packages if package not in faults},
    }


def import_fault(package: str) -> str:
    """Why a package's module cannot be imported, in one line; empty if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module_of(package))
    except Exception as error:  # noqa: BLE001  (a broken library can raise anything: a missing .so is an OSError)
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


def module_of(package: str) -> str:
    """The module that a package brings."""
    return MODULES.get(package, package.replace("-", "_"))


def version_of(package: str) -> str:
    """The version of what brings the package's module: `xgboost` stands in for `xgboost-cpu`."""
    for name in (package, module_of(package)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def user() -> str:
    """The user of this process as `name (uid)`; a container may run one that has no name."""
    uid = os.getuid()
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"without a name ({uid})"


def as_text(found: dict[str, Any]) -> str:
    """What a person reads."""
    extras = [f"  {name}: {_state(faults)}" for name, faults in found["extras"].items()]
    libraries = [f"  {name} {version}" for name, version in found["libraries"].items()]
    return "\n".join([
        f"trainer {found['trainer']}, Python {found['python']}",
        f"user {found['user']}, {found['cores']} cores, {found['gpus']} GPUs",
        "extras",
        *extras,
        "libraries",
        *libraries,
    ])


def _complaint(extra: str, faults: dict[str, str]) -> str:
    return f"the extra {extra} is not complete: " + ", ".join(f"{name} ({why})" for name, why in faults.items())


def _state(faults: dict[str, str]) -> str:
    return f"without {', '.join(faults)}" if faults else "complete"
