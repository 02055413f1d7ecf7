"""Files that a Git repository pins with DVC: those of one commit, from DVC's cache or its remote, checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.environment import cache_folder
from trainer.errors import DataValidationError, TrainerError
from trainer.own_code.clone import clone
from trainer.own_code.git import Git
from trainer.own_code.refs import resolve
from trainer.pipeline import Code, did_you_mean
from trainer.pipeline.sources import FORMATS, endings_of
from trainer.sources.dvc.objects import Objects, Wanted
from trainer.sources.dvc.tracking import Tracking
from trainer.sources.files.source_files import SourceFile, is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dvc.output import Output

    from trainer.connections import Connection
    from trainer.pipeline import DvcSource

KEYS = {"code.repository": "source.repository", "code.ref": "source.revision", "code.commit": "source.commit"}
"""What a repository of code is called in a pipeline, and what the source's is."""
IMPORTED = "; it was imported (`dvc import`), and its objects are with the repository it comes from: name that one"


@dataclass(frozen=True)
class Pinned:
    """What a commit pins under a path."""

    commit: str
    files: list[SourceFile]
    """In DVC's cache; named by their paths in the repository, in that order."""
    hash: str
    """DVC's hash of the file, or of the tracked folder (it ends with `.dir`)."""
    remote: str
    """Where the remote has that object."""
    committed_at: datetime


def pin_revision(source: DvcSource) -> DvcSource:
    """The source with the commit that its revision stands for now, if it has none yet.

    Raises ConfigurationError where there is no such repository or revision, OutageError where it does not answer.
    """
    with _said_of_the_source(), Git.of(source.repository) as git:
        return source.model_copy(update={"commit": resolve(git, _as_code(source))})


def pinned_files(source: DvcSource, connection: Connection | None, scratch: Path) -> Pinned:
    """The files that the source's commit pins under its path, in the cache; a clone lies in `scratch`.

    Raises ConfigurationError where the repository, its remote or a login is wrong, DataValidationError where DVC does
    not track the path or the remote does not have an object whole, TrainerError where the remote does not answer.
    """
    source = source if source.commit else pin_revision(source)
    commit = str(source.commit)
    with _said_of_the_source(), Git.of(source.repository) as git:
        clone(git, _as_code(source), commit, scratch / "clone")
        moment = git.run("show", "--no-patch", "--format=%ct", commit, folder=scratch / "clone")
    with Tracking.of(source, scratch / "clone", scratch / "dvc") as tracking:
        output = tracking.output()
        objects = _objects(tracking, output, connection)
        wanted, whole = _wanted(tracking, output, objects)
        files = [SourceFile(one.name, file) for one, file in zip(wanted, objects.fetch_all(wanted), strict=True)]
        return Pinned(commit, files, whole, objects.address(whole), datetime.fromtimestamp(int(moment), UTC))


def _as_code(source: DvcSource) -> Code:
    """The repository in the form in which a pipeline's own code is fetched."""
    return Code(repository=source.repository, ref=source.revision, commit=source.commit)


@contextlib.contextmanager
def _said_of_the_source() -> Iterator[None]:
    """Errors about a repository of code, said of the source's keys."""
    try:
        yield
    except TrainerError as error:
        text = str(error)
        key = next((key for key in KEYS if text.startswith(key)), "")
        raise type(error)(KEYS.get(key, "") + text.removeprefix(key)) from error


def _objects(tracking: Tracking, output: Output, connection: Connection | None) -> Objects:
    from dvc.cachemgr import LEGACY_HASH_NAMES

    kind = str(output.hash_info.name)
    remote = tracking.remote(output, connection)
    address = str(remote.fs.unstrip_protocol(remote.path))
    own = hashlib.sha256(address.encode()).hexdigest()[:16]  # what is in it came from this remote, and no other
    cache = cache_folder() / "dvc" / own
    return Objects(
        cache=cache if kind in LEGACY_HASH_NAMES else cache / "files" / "md5",
        remote=remote,
        kind=kind,
        hint=IMPORTED if output.stage.is_repo_import else "",
    )


def _wanted(tracking: Tracking, output: Output, objects: Objects) -> tuple[list[Wanted], str]:
    """The objects of the files, sorted by name, and the hash that pins them all."""
    source, inside = tracking.source, tracking.inside(output)
    place = f"{source.repository}@{str(source.commit)[:12]}:"
    whole = str(output.hash_info.value)
    if not whole.endswith(".dir"):
        if inside:
            raise DataValidationError(f"source.path: {source.path!r} of {source.repository} is inside a file")
        return [Wanted(whole, f"{place}{source.path}")], whole
    listed = json.loads(objects.fetch(Wanted(whole, f"{place}{source.path}")).read_bytes())
    hashes = {str(one["relpath"]): str(one["md5"]) for one in listed}
    named = "/".join(inside)
    if named in hashes:
        return [Wanted(hashes[named], f"{place}{source.path}")], hashes[named]
    folder = source.path.removesuffix("/").removesuffix(named).rstrip("/")
    names = [name for name in sorted(hashes) if not named or name.startswith(f"{named}/")]
    if not names:
        known = f"{did_you_mean(named, hashes)}" if named else "; it is empty"
        raise DataValidationError(
            f"source.path: the folder {folder!r} of {source.repository} at {source.commit} has no {named!r}{known}"
        )
    endings = endings_of(source.format) if source.format else tuple(FORMATS)
    fitting = [name for name in names if name.lower().endswith(endings) and not is_hidden(name)]
    if not fitting:
        raise DataValidationError(
            f"source.path: no file in {source.path!r} of {source.repository} ends with {' or '.join(endings)}"
        )
    return [Wanted(hashes[name], f"{place}{folder}/{name}") for name in fitting], whole
