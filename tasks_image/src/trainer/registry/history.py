"""The history of a model's alias `production`: each move is recorded before it is made, as a tag of the model."""

from __future__ import annotations

import contextlib
import getpass
import socket
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from trainer.registry.versions import PRODUCTION, refuse_unknown, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

MOVE_TAG = "trainer.move."
LONGEST_REASON = 2000
"""Characters; MLflow takes 5,000 for a whole record."""


class Move(BaseModel, frozen=True, extra="forbid"):
    """A move of production, or the release of a rollback."""

    kind: Literal["promotion", "rollback", "release"]
    before: str
    """The version that was production; empty: none was."""
    version: str
    """The version that becomes production; of a release, the one that is."""
    by: str
    """The run folder, or the user and the machine."""
    why: str = ""
    promoted_as: str = ""
    """Of a promotion: `first`, `better` or `not_worse`; empty in those of earlier releases."""
    anchor: str = ""
    """Of a promotion: the version that margins count from since then."""
    at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    """ISO 8601, UTC."""

    def is_same(self, other: Move) -> bool:
        """Return True if this is another try of the same move."""
        return self.model_dump(exclude={"at", "why"}) == other.model_dump(exclude={"at", "why"})


@dataclass(frozen=True)
class Entry:
    """A move with what became of it."""

    kind: str
    """That of the move, or `by hand`: production was found elsewhere than where the last move had put it."""
    before: str
    version: str
    by: str
    why: str
    at: str
    """ISO 8601, UTC; empty if it is not known."""
    completed: bool
    """False for a move that was cut off before the alias moved, or that somebody took back in MLflow itself."""
    until: str = ""
    """When the version ceased to be production, `unknown` if that is not recorded; empty if it is, or never was."""
    promoted_as: str = ""
    anchor: str = ""


def person() -> str:
    """Return who is at work here, as user and machine."""
    name = "unknown"
    with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
        name = getpass.getuser()
    return f"{name} on {socket.gethostname()}"


def record_move(client: MlflowClient, model: str, move: Move) -> None:
    """Record a move that is about to be made; one that an earlier, killed try has recorded is there already."""
    moves = recorded_moves(client, model)
    if moves and move.is_same(moves[-1]):
        return
    short = move.model_copy(update={"why": move.why[:LONGEST_REASON]})
    client.set_registered_model_tag(
        model, f"{MOVE_TAG}{move.at.removesuffix('+00:00')}.{uuid.uuid4().hex[:8]}", short.model_dump_json()
    )


def recorded_moves(client: MlflowClient, model: str) -> list[Move]:
    """Return the recorded moves of a model, oldest first."""
    tags = client.get_registered_model(model).tags
    return [Move.model_validate_json(tags[name]) for name in sorted(tags) if name.startswith(MOVE_TAG)]


def history_of(client: MlflowClient, model: str) -> list[Entry]:
    """Return the moves of a model's production, oldest first, with those that somebody made by hand in MLflow.

    Raises ConfigurationError if there is no such model.
    """
    refuse_unknown(client, model)
    found = version_of(client, model, PRODUCTION)
    return _with_ends(list(_entries(recorded_moves(client, model), str(found.version) if found else "")))


def _entries(moves: list[Move], production: str) -> Iterator[Entry]:
    """Compare what each move found with what the one before had left; the alias is what the last has left."""
    live = ""
    for index, move in enumerate(moves):
        if move.before != live:
            yield _by_hand(live, move.before)
        found_after = moves[index + 1].before if index + 1 < len(moves) else production
        completed = move.kind == "release" or found_after != move.before
        yield Entry(
            move.kind, move.before, move.version, move.by, move.why, move.at, completed,
            promoted_as=move.promoted_as, anchor=move.anchor,
        )  # fmt: skip
        live = move.version if completed else move.before
    if production != live:
        yield _by_hand(live, production)


def _by_hand(before: str, version: str) -> Entry:
    why = "not recorded: moved in MLflow itself, or by a release of this package that kept no history"
    return Entry("by hand", before, version, by="", why=why, at="", completed=True)


def _with_ends(entries: list[Entry]) -> list[Entry]:
    """Add when each version ceased to be production."""
    found, end = list[Entry](), ""
    for entry in reversed(entries):
        moves = entry.completed and entry.kind != "release"
        found.append(replace(entry, until=end) if moves else entry)
        end = (entry.at or "unknown") if moves else end
    return found[::-1]
