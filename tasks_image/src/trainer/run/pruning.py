"""Old run folders of an artifact store: which may go, and taking them away so that none is read half-removed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.run.flow import APPROVE, MONITOR, MONITORING, SCORING, TRAINING
from trainer.run.folder import FAILURE_FILE, PIPELINE_FILE, RESULT_FILE, RunFolder
from trainer.run.key import flow_of
from trainer.run.latest import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DECIDE = "decide"
FLOWS = (TRAINING, SCORING, MONITORING)
BEGIN, END = tuple(flow[0].name for flow in FLOWS), (TRAINING[-1].name, SCORING[-1].name, MONITOR)
"""The first step of each flow, and the one with which a run of it is finished."""
MARKER = "being-removed"
"""Written first and removed last: without `pipeline.yaml` beside it, what is left of a folder has to go too."""
UNFINISHED_DAYS = 7
"""For so long a run that has not come to its report may still be running, or be taken up again."""
BYTES_PER_MB = 1_000_000
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class StoredRun:
    """A run folder as it lies in the store."""

    pipeline: str
    folder: RunFolder
    megabytes: float
    changed_at: datetime | None
    """When its newest file was written; None where the store does not say."""
    finished: bool
    half_removed: bool
    waits: bool = False
    """True if its decision to promote asks a person who has not answered yet."""

    @property
    def name(self) -> str:
        """Pipeline and key, as a person would point at it."""
        return f"{self.pipeline}/{self.folder.key}"


@dataclass(frozen=True)
class Rules:
    """What is kept."""

    now: datetime
    keep_days: float
    keep_last: int
    """Of each pipeline, of its training runs, its scoring runs and its monitoring runs."""
    in_use: Mapping[str, str]
    """Addresses of which some registered version needs the run folder, and which version that is."""


def stored_runs(store: str) -> list[StoredRun]:
    """The run folders `{store}/{pipeline}/{key}`, newest first. Raises ConfigurationError if there is no such store."""
    top = RunFolder.open(store)
    if not top.filesystem.isdir(top.root):
        raise ConfigurationError(f"there is no artifact store {top.uri}; name one with --store")
    found = [
        run
        for pipeline in _folders(top.filesystem, top.root)
        for key in _folders(top.filesystem, f"{top.root}/{pipeline}")
        if (run := _stored(RunFolder.open(f"{top.uri}/{pipeline}/{key}", top.filesystem), pipeline)) is not None
    ]
    return sorted(found, key=lambda run: run.changed_at or datetime.max.replace(tzinfo=UTC), reverse=True)


def why_kept(runs: list[StoredRun], rules: Rules) -> list[tuple[StoredRun, str]]:
    """Each run, and why it is kept; empty for one that may go. `runs` are sorted, newest first."""
    seen: dict[tuple[str, str], int] = {}
    decided = []
    for run in runs:
        kind = run.pipeline, flow_of(run.folder.key)
        place = seen[kind] = seen.get(kind, 0) + 1
        decided.append((run, _reason(run, place, rules)))
    return decided


def user_of(run: StoredRun, in_use: Mapping[str, str]) -> str:
    """Which registered version needs a run, or an empty text; by pipeline and key, wherever the store lay then."""
    own = f"/{run.name}/"
    return next((user for address, user in in_use.items() if own in f"{address}/"), "")


def remove(run: RunFolder) -> None:
    """Take a run folder away. Killed at any point, what is left is no done run, and `stored_runs` finds it again."""
    run.write_text(MARKER, "what is left of this run folder can be removed\n")
    files = [str(path) for path in run.filesystem.find(run.root)]
    order = sorted(files, key=lambda path: _place(path, run))
    for path in order:
        with contextlib.suppress(FileNotFoundError):
            run.filesystem.rm_file(path)
    with contextlib.suppress(FileNotFoundError):
        run.filesystem.rm(run.root, recursive=True)


def _place(path: str, run: RunFolder) -> int:
    """First what says that a run, or a step of it, is there; last the marker."""
    if path.endswith(f"{run.root}/{PIPELINE_FILE}"):
        return 0
    if path.endswith(f"/{RESULT_FILE}"):
        return 1
    return 3 if path.endswith(f"{run.root}/{MARKER}") else 2


def _reason(run: StoredRun, place: int, rules: Rules) -> str:
    if user := user_of(run, rules.in_use):
        return f"{user} came from it"
    if _is_latest(run.folder):
        return f"`{LATEST}` points at it"
    if run.waits:
        return "it waits for a person's approval"
    return "" if run.half_removed else _too_new(run, place, rules)


def _too_new(run: StoredRun, place: int, rules: Rules) -> str:
    if run.changed_at is None:
        return "the store does not say how old it is"
    age = rules.now - run.changed_at
    if age.total_seconds() < rules.keep_days * SECONDS_PER_DAY:  # a timedelta ends at 999,999,999 days
        return f"younger than {rules.keep_days:g} days"
    if not run.finished and age < timedelta(days=UNFINISHED_DAYS):
        return f"unfinished, and younger than {UNFINISHED_DAYS} days"
    return f"among the {rules.keep_last} newest of its pipeline" if place <= rules.keep_last else ""


def _is_latest(folder: RunFolder) -> bool:
    """Whether the link for people points here."""
    if not folder.is_local:
        return False
    own = Path(folder.root).resolve()
    return (own.parent.parent / LATEST).resolve() == own


def _folders(filesystem: Any, path: str) -> Iterator[str]:
    for found in filesystem.ls(path, detail=True, refresh=True):
        name = str(found["name"]).rstrip("/").rsplit("/", 1)[-1]
        if found["type"] == "directory" and not found.get("islink") and not name.startswith("."):
            yield name


def _stored(folder: RunFolder, pipeline: str) -> StoredRun | None:
    """What lies in a folder, or None if no run has made it."""
    files = {path[len(folder.root) :].strip("/"): info for path, info in _files(folder).items()}
    first = {f"{step}/{name}" for step in BEGIN for name in (RESULT_FILE, FAILURE_FILE)}
    if not {PIPELINE_FILE, MARKER, *first} & files.keys():
        return None
    times = [_changed(info) for name, info in files.items() if name != MARKER]
    return StoredRun(
        pipeline=pipeline,
        folder=folder,
        megabytes=sum(info["size"] or 0 for info in files.values()) / BYTES_PER_MB,
        changed_at=None if None in times else max((time for time in times if time), default=None),
        finished=(finished := any(f"{step}/{RESULT_FILE}" in files for step in END)),
        waits=not finished and _waits(folder, files),
        half_removed=MARKER in files and PIPELINE_FILE not in files,
    )


def _waits(folder: RunFolder, files: Mapping[str, Any]) -> bool:
    """Return True if a decision to promote asks a person, whose answer is not there."""
    if f"{DECIDE}/{RESULT_FILE}" not in files or f"{APPROVE}/{RESULT_FILE}" in files:
        return False
    return bool(json.loads(folder.at(DECIDE).read_text(RESULT_FILE)).get("asks"))


def _files(folder: RunFolder) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = folder.filesystem.find(folder.root, detail=True)
    return {str(path): info for path, info in found.items()}


def _changed(info: dict[str, Any]) -> datetime | None:
    """When a file was written: a local file says `mtime`, an object `LastModified`."""
    when = info.get("mtime", info.get("LastModified"))
    return datetime.fromtimestamp(when, UTC) if isinstance(when, int | float) else when
