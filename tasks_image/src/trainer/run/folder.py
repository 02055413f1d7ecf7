"""The run folder: where the steps of a run hand over to each other.

A step owns `{step}`, `{step}/{algorithm}` or `{step}/{algorithm}/{worker}` inside
`{artifact_store}/{pipeline}/{run key}`. It writes its files there and, last and atomically, `result.json`: a step is
done if and only if that file is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from trainer.addresses import secret_in
from trainer.errors import ConfigurationError, StepNotDoneError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.run.made_from import note_record
from trainer.run.records import Failure, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

R = TypeVar("R", bound=Result)

PIPELINE_FILE = "pipeline.yaml"
RESULT_FILE = "result.json"
FAILURE_FILE = "failure.json"
LEFT_OUT_FILE = "left_out.json"
STATE_FOLDER = "state"
"""What must survive a kill, inside a step's folder; starting the step again keeps it."""


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, or one step's folder inside it, on any fsspec filesystem."""

    uri: str
    filesystem: Any
    root: str
    step: str = ""
    algorithm: str = ""
    worker: int = 0
    """Of a step that several workers share, the number of one of them, from 1."""

    @classmethod
    def open(cls, uri: str, filesystem: Any = None) -> RunFolder:
        """The run folder at an fsspec URI or a local path; a filesystem given is used instead of the URI's own.

        A path is made absolute, since addresses inside the folder are read by later runs, wherever those start.
        Raises ConfigurationError where the URI's protocol is not known, and for a URI that holds a secret.
        """
        if found := secret_in(uri):
            raise ConfigurationError(f"the run folder's address holds {found}; give credentials to the store's client")
        uri = uri.rstrip("/") if "://" in uri else str(Path(uri).resolve())
        try:
            own, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(f"run folder {uri!r}: {error}") from error
        return cls(uri, filesystem or own, root)

    def at(self, step: str, algorithm: str | None = None, worker: int = 0) -> RunFolder:
        """The folder of a step, or of a step's part for one algorithm, or for one of the workers that share it."""
        return replace(self, step=step, algorithm=algorithm or "", worker=worker)

    @property
    def key(self) -> str:
        """The run's key: the name of its folder."""
        return self.root.rsplit("/", 1)[-1]

    @property
    def label(self) -> str:
        """The step as a person would call it, such as `tune xgboost` or `tune_worker xgboost 2`."""
        return " ".join(self._parts)

    @property
    def _parts(self) -> list[str]:
        return [part for part in (self.step, self.algorithm, str(self.worker or "")) if part]

    def path(self, name: str = "") -> str:
        """The path, on the filesystem, of a file of the step (of the run, where no step is chosen)."""
        return "/".join(part for part in (self.root, *self._parts, name) if part)

    def uri_of(self, name: str = "") -> str:
        """The address of a file of the step."""
        return "/".join(part for part in (self.uri, *self._parts, name) if part)

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on this machine's own file system."""
        return isinstance(self.filesystem, LocalFileSystem)

    def write_text(self, name: str, text: str) -> str:
        """Write a text file atomically; returns its address."""
        with self.staged(name) as file:
            file.write_text(text, encoding="utf-8")
        return self.uri_of(name)

    def write_json(self, name: str, content: Any) -> str:
        """Write a JSON file atomically; returns its address. Raises ValueError on NaN and infinity."""
        return self.write_text(name, json.dumps(content, indent=2, allow_nan=False, default=str) + "\n")

    def read_text(self, name: str) -> str:
        """The text of a file; raises FileNotFoundError."""
        return bytes(self.filesystem.cat_file(self.path(name))).decode("utf-8")

    @contextlib.contextmanager
    def staged(self, name: str) -> Iterator[Path]:
        """A local path to write to; the file appears under `name` only if the block ends without an error."""
        target = self.path(name)
        if self.is_local:
            make_private(Path(target).parent)
        with tempfile.TemporaryDirectory(dir=Path(target).parent if self.is_local else None, prefix=".tmp-") as scratch:
            file = Path(scratch) / Path(name).name
            yield file
            if self.is_local:
                _replace_durably(file, Path(target))
            else:
                self.filesystem.put_file(str(file), target)

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A local path to read a file from; a remote one is fetched for as long as the block lasts."""
        if self.is_local:
            yield Path(self.path(name))
            return
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / Path(name).name
            self.filesystem.get_file(self.path(name), str(file))
            yield file

    def begin(self) -> None:
        """Make the step undone: remove its result first, then its other outputs, but not its state."""
        self._remove(RESULT_FILE)
        self._remove(FAILURE_FILE)
        for path in self._own_files():
            self.filesystem.rm_file(path)
        if self.is_local:
            _remove_scratch(Path(self.path()).rglob(".tmp-*"))
            _remove_scratch(Path(self.root).glob(".tmp-*"))  # of `start` and `report`, which write for the whole run

    def finish(self, result: Result) -> None:
        """Make the step done by writing its result."""
        self._remove(FAILURE_FILE)
        self.write_text(RESULT_FILE, result.model_dump_json(indent=2) + "\n")

    def fail(self, failure: Failure, *, undo: bool = True) -> None:
        """Make the step undone, unless told not to, and keep why it failed, for the mail and the summary."""
        if undo:
            self._remove(RESULT_FILE)
        self.write_text(FAILURE_FILE, failure.model_dump_json(indent=2) + "\n")

    def leave_out(self, reason: str) -> None:
        """Keep why the run does without the step, for the summary; that it failed before no longer counts."""
        self._remove(FAILURE_FILE)
        self.write_json(LEFT_OUT_FILE, {"reason": reason})

    def left_out(self) -> str:
        """Why the run does without the step; an empty text where it does not, or gave no reason."""
        try:
            return str(json.loads(self.read_text(LEFT_OUT_FILE))["reason"])
        except FileNotFoundError:
            return ""

    def clear_failure(self) -> None:
        """Forget why an earlier try failed: the step is done."""
        self._remove(FAILURE_FILE)

    def result(self, kind: type[R]) -> R:
        """The step's result.

        Raises StepNotDoneError if the step is not done, or, inside another step, if its result is stale.
        """
        try:
            text = self.read_text(RESULT_FILE)
        except FileNotFoundError:
            raise StepNotDoneError(
                f"step {self.label!r} is not done: {self.uri_of(RESULT_FILE)} does not exist; run the step first"
            ) from None
        found = kind.model_validate_json(text)
        note_record("/".join(self._parts), text, lambda step: self.at(step).read_text(RESULT_FILE))
        return found

    def result_or_none(self, kind: type[R]) -> R | None:
        """The step's result, or None if the step is not done."""
        try:
            return kind.model_validate_json(self.read_text(RESULT_FILE))
        except FileNotFoundError:
            return None

    def failure(self) -> Failure | None:
        """Why the step failed when it ran last, or None."""
        try:
            return Failure.model_validate_json(self.read_text(FAILURE_FILE))
        except FileNotFoundError:
            return None

    def pipeline(self) -> Pipeline:
        """The pipeline as this run uses it; raises StepNotDoneError before `start`."""
        run = self.at("")
        try:
            return parse_pipeline(run.read_text(PIPELINE_FILE), run.uri_of(PIPELINE_FILE))
        except FileNotFoundError:
            raise StepNotDoneError(
                f"{run.uri_of(PIPELINE_FILE)} does not exist: the step `start` writes it; run that first"
            ) from None

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(self.path(name))

    def _own_files(self) -> list[str]:
        prefix = self.path()
        kept = f"{prefix}/{STATE_FOLDER}/"
        return [path for path in self.filesystem.find(prefix) if not str(path).startswith(kept)]


def make_private(folder: Path) -> None:
    """Create a folder, and those above it that are missing, for this user alone: runs hold rows of the data."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def _replace_durably(file: Path, target: Path) -> None:
    """Move a file into place so that after a power cut either the old or the whole new one is there."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
    file.replace(target)


def _remove_scratch(folders: Iterable[Path]) -> None:
    """Remove what a killed process was still staging."""
    for scratch in folders:
        shutil.rmtree(scratch, ignore_errors=True)
