"""`trainer history MODEL`: which version was production when, who or what moved it and why, and its experiments."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainer.registry.history import Entry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trainer.registry.experiment_records import RecordedExperiment


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "history",
        help="show which version was production when, and why",
        description="Show every move of the alias `production`: promotions by runs, with their approvals, rollbacks "
        "and their releases, what somebody moved in MLflow itself, and experiments. Oldest first.",
    )
    command.add_argument("model", metavar="MODEL", help="the registered model")
    command.add_argument(
        "--json", action="store_true", help="print a JSON array with one object per move or experiment"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the history; returns 0. Raises ConfigurationError if there is no such model."""
    from trainer.registry.experiment_records import recorded_experiments
    from trainer.registry.history import history_of
    from trainer.registry.versions import asking_mlflow

    with asking_mlflow() as client:
        entries = _merged(history_of(client, arguments.model), recorded_experiments(client, arguments.model))
    if arguments.json:
        text = json.dumps([_record(entry) for entry in entries], indent=2)
    else:
        text = "\n".join(_lines(arguments.model, entries))
    sys.stdout.write(f"{text}\n")
    return 0


def _merged(moves: list[Entry], experiments: list[RecordedExperiment]) -> list[Entry | RecordedExperiment]:
    """Return both, oldest first; a move whose time is not known stays after the one before it."""
    found: list[Entry | RecordedExperiment] = list(moves)
    for one in experiments:
        later = [place for place, entry in enumerate(found) if _time(entry) > one.started_at]
        found.insert(later[0] if later else len(found), one)
    return found


def _time(entry: Entry | RecordedExperiment) -> str:
    return entry.at if isinstance(entry, Entry) else entry.started_at


def _record(entry: Entry | RecordedExperiment) -> dict[str, Any]:
    return asdict(entry) if isinstance(entry, Entry) else {"kind": "experiment", **entry.model_dump()}


def _lines(model: str, entries: list[Entry | RecordedExperiment]) -> Iterator[str]:
    if not any(isinstance(entry, Entry) for entry in entries):
        yield f"{model}: no version has been production"
    for entry in entries:
        if isinstance(entry, Entry):
            yield _first_line(entry)
            facts = (("by", entry.by), ("why", entry.why), ("promoted as", _ground(entry)))
        else:
            yield _experiment_line(entry)
            facts = (("by", entry.by), ("ended by", entry.ended_by), ("result", entry.result))
        yield from (f"    {name}: {text}" for name, text in facts if text)


def _experiment_line(entry: RecordedExperiment) -> str:
    end = f"until {entry.ended_at}" if entry.ended_at else "runs"
    return (
        f"{entry.started_at}  experiment {entry.name}: version {entry.version_a} (A) and version {entry.version_b} (B, "
        f"{entry.traffic_split:.4g} of the units)  ({end})"
    )


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
