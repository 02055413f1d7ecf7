"""The files by which a step and the processes of its machine that train for it hand over to each other."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trainer.process import log_context
from trainer.training.networks.loop import EpochEnd, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainer.training.networks.plan import Plan

RESTARTS = 3
"""How often lost processes are started again."""
REPORTS = {"epoch": EpochEnd, "progress": Progress}
"""The kinds of reports."""


@dataclass(frozen=True)
class Failed:
    """An error that ended a process."""

    rank: int
    error: str
    message: str
    exit_code: int
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Handover:
    """The folder with these files; it holds the training rows, so only its owner may read it."""

    folder: Path

    @property
    def plan(self) -> Path:
        """The file with the training."""
        return self.folder / "plan"

    def give(self, plan: Plan, aside: Any) -> None:
        """Hand over a training and its validation rows to the processes."""
        given = plan, aside, log_context.current(), uuid.uuid4()
        with self.plan.open("wb") as file:
            pickle.dump(given, file, protocol=pickle.HIGHEST_PROTOCOL)

    def digest(self) -> str:
        """Return the SHA-256 of the training: each time that one is handed over has another."""
        with self.plan.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def take(self) -> tuple[Plan, Any]:
        """Return the training and its validation rows; log records name the step from here on."""
        with self.plan.open("rb") as file:
            plan, aside, context, _ = pickle.load(file)  # noqa: S301  (processes that met have the plan of one step)
        log_context.note(**context)
        return plan, aside

    def note_start(self, start: str) -> None:
        """Keep the name of a start of all processes, before they are started."""
        (self.folder / "start").write_text(start, encoding="utf-8")

    def has_met(self) -> bool:
        """Return True if the processes have been started, for which all nodes have met."""
        return (self.folder / "start").exists()

    def start(self) -> str:
        """Return the name of this start."""
        return (self.folder / "start").read_text(encoding="utf-8")

    def report(self, report: EpochEnd | Progress) -> None:
        """Append a report to those that the step reads."""
        kind = next(name for name, known in REPORTS.items() if isinstance(report, known))
        with (self.folder / "reports").open("a", encoding="utf-8") as file:
            file.write(json.dumps({kind: asdict(report)}) + "\n")

    def reports(self, begin: int) -> tuple[list[EpochEnd | Progress], int]:
        """Return the whole reports from a place in the file on, and the place behind them."""
        found: list[EpochEnd | Progress] = []
        with contextlib.suppress(FileNotFoundError), (self.folder / "reports").open("rb") as file:
            file.seek(begin)
            for line in file:
                if line.endswith(b"\n"):
                    [(kind, fields)] = json.loads(line).items()
                    found.append(REPORTS[kind](**fields))
                    begin += len(line)
        return found, begin

    def finish(self, estimator: Any) -> None:
        """Hand over what was trained."""
        with (self.folder / "estimator").open("wb") as file:
            pickle.dump(estimator, file, protocol=pickle.HIGHEST_PROTOCOL)

    def estimator(self) -> Any:
        """Return what was trained."""
        with (self.folder / "estimator").open("rb") as file:
            return pickle.load(file)  # noqa: S301  (of the processes that this one has started)

    def fail(self, failed: Failed) -> None:
        """Keep the error of a process, in place of the one of its start before."""
        file = self.folder / f"failed-{failed.rank}"
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(failed)), encoding="utf-8")
        part.replace(file)

    def failed(self) -> list[Failed]:
        """Return the errors that have ended processes, oldest first."""
        found = [Failed(**json.loads(file.read_text(encoding="utf-8"))) for file in self.folder.glob("failed-*[0-9]")]
        return sorted(found, key=lambda one: one.at)

    def note_exit_codes(self, codes: Mapping[int, int]) -> None:
        """Keep the exit codes, by rank, of the processes that failed at the last start."""
        (self.folder / "exit_codes").write_text(json.dumps(codes), encoding="utf-8")

    def exit_codes(self) -> dict[int, int]:
        """Return those exit codes; negative ones are signals."""
        try:
            found = json.loads((self.folder / "exit_codes").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {int(rank): code for rank, code in found.items()}

    def note_lost_meeting(self, reason: str) -> None:
        """Keep why the processes of other nodes are not met."""
        (self.folder / "lost_meeting").write_text(reason, encoding="utf-8")

    def lost_meeting(self) -> str:
        """Return why the processes of other nodes are not met; empty if they are."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "lost_meeting").read_text(encoding="utf-8")
        return ""
