"""`trainer history MODEL`: which version was production when, who or what moved it, and why."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trainer.registry.history import Entry


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "history",
        help="show which version was production when, and why",
        description="Show every move of the alias `production`: promotions by runs, with their approvals, rollbacks "
        "and their releases, and what somebody moved in MLflow itself. Oldest first.",
    )
    command.add_argument("model", metavar="MODEL", help="the registered model")
    command.add_argument("--json", action="store_true", help="print a JSON array with one object per move")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the history; returns 0. Raises ConfigurationError if there is no such model."""
    from trainer.registry.history import history_of
    from trainer.registry.versions import asking_mlflow

    with asking_mlflow() as client:
        entries = history_of(client, arguments.model)
    if arguments.json:
        text = json.dumps([asdict(entry) for entry in entries], indent=2)
    else:
        text = "\n".join(_lines(arguments.model, entries))
    sys.stdout.write(f"{text}\n")
    return 0


def _lines(model: str, entries: list[Entry]) -> Iterator[str]:
    if not entries:
        yield f"{model}: no version has been production"
    for entry in entries:
        yield _first_line(entry)
        facts = (("by", entry.by), ("why", entry.why), ("promoted as", _ground(entry)))
        yield from (f"    {name}: {text}" for name, text in facts if text)


def _ground(entry: Entry) -> str:
    """Return the ground of a promotion and the anchor since then, or an empty string."""
    return f"{entry.promoted_as}; the anchor is version {entry.anchor}" if entry.promoted_as else ""


def _first_line(entry: Entry) -> str:
    at = entry.at or "unknown".ljust(len("2026-01-01T00:00:00.000+00:00"))
    if entry.kind == "release":
        return f"{at}  release    runs may promote again; production is version {entry.version}"
    moved = f"{at}  {entry.kind:<9}  {_named(entry.before)} → {_named(entry.version)}"
    if not entry.completed:
        return f"{moved}  (cut off before the alias moved, or moved back by hand)"
    return f"{moved}  (until {entry.until})" if entry.until else f"{moved}  (is production)"


def _named(version: str) -> str:
    return f"version {version}" if version else "none"
