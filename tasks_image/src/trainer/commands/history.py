"""`trainer history MODEL`: which version was production when, who or what moved it and why, and its experiments."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trainer.registry.deployment_history import Deployed
    from trainer.registry.experiment_records import RecordedExperiment
    from trainer.registry.history import Entry

UNKNOWN: Final = "unknown".ljust(len("2026-01-01T00:00:00.000+00:00"))


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "history",
        help="show which version was production when, and why",
        description="Show every move of the alias `production`: promotions by runs, with their approvals, rollbacks "
        "and their releases, and what somebody moved in MLflow itself; deployments and experiments. Oldest first.",
    )
    command.add_argument("model", metavar="MODEL", help="the registered model")
    command.add_argument(
        "--json", action="store_true", help="print a JSON array with one object per move, deployment or experiment"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the history; returns 0. Raises ConfigurationError if there is no such model."""
    from trainer.registry.deployment_history import recorded_deployments
    from trainer.registry.experiment_records import recorded_experiments
    from trainer.registry.history import history_of
    from trainer.registry.versions import asking_mlflow

    model = arguments.model
    with asking_mlflow() as client:
        moves = history_of(client, model)
        others = [
            *(_deployment(one) for one in recorded_deployments(client, model)),
            *(_experiment(one) for one in recorded_experiments(client, model)),
        ]
    events = _merged([_move(one) for one in moves], others)
    if arguments.json:
        text = json.dumps([event.record for event in events], indent=2)
    else:
        text = "\n".join(_lines(model, events, had_production=bool(moves)))
    sys.stdout.write(f"{text}\n")
    return 0


class _Event(NamedTuple):
    """Something that happened to a model."""

    at: str
    """ISO 8601, UTC; empty if it is not known."""
    line: str
    facts: dict[str, str]
    record: dict[str, Any]
    """What `--json` prints."""


def _merged(moves: list[_Event], others: list[_Event]) -> list[_Event]:
    """Return all, oldest first; a move whose time is not known stays after the one before it."""
    found = list(moves)
    for one in sorted(others, key=lambda event: event.at):
        later = [place for place, event in enumerate(found) if event.at > one.at]
        found.insert(later[0] if later else len(found), one)
    return found


def _lines(model: str, events: list[_Event], *, had_production: bool) -> Iterator[str]:
    if not had_production:
        yield f"{model}: no version has been production"
    for event in events:
        yield f"{event.at or UNKNOWN}  {event.line}"
        yield from (f"    {name}: {text}" for name, text in event.facts.items() if text)


def _move(entry: Entry) -> _Event:
    facts = {"by": entry.by, "why": entry.why, "promoted as": _ground(entry)}
    return _Event(entry.at, _moved(entry), facts, asdict(entry))


def _deployment(one: Deployed) -> _Event:
    line = f"deployment version {one.version} {one.outcome}; {_named(one.before)} was in service"
    facts = {"by": one.by, "why": one.why, "target": one.target}
    return _Event(one.at, line, facts, {"kind": "deployment", **one.model_dump()})


def _experiment(one: RecordedExperiment) -> _Event:
    end = f"until {one.ended_at}" if one.ended_at else "runs"
    line = (
        f"experiment {one.name}: version {one.version_a} (A) and version {one.version_b} (B, {one.traffic_split:.4g} "
        f"of the units)  ({end})"
    )
    facts = {"by": one.by, "ended by": one.ended_by, "result": one.result}
    return _Event(one.started_at, line, facts, {"kind": "experiment", **one.model_dump()})


def _ground(entry: Entry) -> str:
    """Return the ground of a promotion and the anchor since then, or an empty string."""
    return f"{entry.promoted_as}; the anchor is version {entry.anchor}" if entry.promoted_as else ""


def _moved(entry: Entry) -> str:
    if entry.kind == "release":
        return f"release    runs may promote again; production is version {entry.version}"
    moved = f"{entry.kind:<9}  {_named(entry.before)} → {_named(entry.version)}"
    if not entry.completed:
        return f"{moved}  (cut off before the alias moved, or moved back by hand)"
    return f"{moved}  (until {entry.until})" if entry.until else f"{moved}  (is production)"


def _named(version: str) -> str:
    return f"version {version}" if version else "none"
