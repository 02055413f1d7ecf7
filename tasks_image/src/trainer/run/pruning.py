"""Old run folders of an artifact store: which may go, and taking them away so that none is read half-removed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Monitoring, parse_yaml
from trainer.run.flow import APPROVE, DEPLOYMENT, MONITOR, MONITORING, REQUESTS, SCORING, TRAINING
from trainer.run.folder import FAILURE_FILE, PIPELINE_FILE, RESULT_FILE, RunFolder
from trainer.run.key import MONITORING as MONITORING_PREFIX
from trainer.run.key import SCORING as SCORING_PREFIX
from trainer.run.key import flow_of
from trainer.run.latest import LATEST
from trainer.run.records import MonitorResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DECIDE = "decide"
FLOWS = (TRAINING, SCORING, MONITORING, DEPLOYMENT, REQUESTS)
BEGIN, END = (
    tuple(flow[0].name for flow in FLOWS),
    tuple(MONITOR if flow is MONITORING else flow[-1].name for flow in FLOWS),
)
"""The first step of each flow, and the one with which a run of it is finished."""
SCORING_FLOW, MONITORING_FLOW = SCORING_PREFIX.rstrip("-"), MONITORING_PREFIX.rstrip("-")
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
    watched_days: float = 0
    """Of a scoring run that no look has taken yet: for so many days after it a look may take its rows."""

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
    taken = {(run.pipeline, key) for run in found for key in _taken(run)}
    known = [replace(run, watched_days=0) if (run.pipeline, run.folder.key) in taken else run for run in found]
    return sorted(known, key=lambda run: run.changed_at or datetime.max.replace(tzinfo=UTC), reverse=True)


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
    if age.total_seconds() < run.watched_days * SECONDS_PER_DAY:
        return f"no look has taken its scored rows yet, which one may for {run.watched_days:g} days"
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
        watched_days=_watched_days(folder) if finished and PIPELINE_FILE in files else 0,
    )


def _watched_days(folder: RunFolder) -> float:
    """Return for how many days after a scoring run monitoring looks at its rows; 0 if it never does."""
    if flow_of(folder.key) != SCORING_FLOW:
        return 0
    document = parse_yaml(folder.read_text(PIPELINE_FILE), folder.uri_of(PIPELINE_FILE))  # of whatever release
    section = document.get("monitoring")
    return float(section.get("days", Monitoring.model_fields["days"].default)) if section else 0


def _taken(run: StoredRun) -> list[str]:
    """Return the keys of the scoring runs whose rows a finished look, and those before it, have taken."""
    if flow_of(run.folder.key) != MONITORING_FLOW:
        return []
    look = run.folder.at(MONITOR).result_or_none(MonitorResult)
    return look.taken if look else []


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
