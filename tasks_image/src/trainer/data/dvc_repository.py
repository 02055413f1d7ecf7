"""Files that a Git repository pins with DVC: those of one commit, from DVC's cache or its remote, checked."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.code.clone import clone
from trainer.code.git import Git
from trainer.code.refs import resolve
from trainer.data.source_files import SourceFile, is_hidden
from trainer.data.tables import file_digest
from trainer.environment import cache_folder
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import Code, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dvc.repo import Repo

    from trainer.connections import Connection
    from trainer.pipeline import DvcSource

logger = logging.getLogger(__name__)

MD5 = "md5"
"""DVC's name of the hash that it can be checked by; older ones are of text with other line ends."""
TRIES = 2


@dataclass(frozen=True)
class Pinned:
    """What a commit pins under a path."""

    files: list[SourceFile]
    """In DVC's cache; named by their paths in the repository, in that order."""
    hash: str
    """DVC's hash of the file, or of the folder (it ends with `.dir`)."""
    remote: str
    """Where the remote has that object."""
    committed_at: datetime


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: str
    hash: str


def pin_revision(source: DvcSource) -> DvcSource:
    """The source with the commit that its revision stands for now, if it has none yet.

    Raises ConfigurationError where there is no such repository or revision, OutageError where it does not answer.
    """
    with _said_of_the_source(), Git.of(source.repository) as git:
        return source.model_copy(update={"commit": resolve(git, _as_code(source))})


@contextlib.contextmanager
def pinned_files(source: DvcSource, connection: Connection | None, scratch: Path) -> Iterator[Pinned]:
    """The files that the source's commit pins under its path; DVC's own state lies in `scratch`.

    Raises ConfigurationError where the repository, its remote or a login is wrong, DataValidationError where DVC does
    not track the path or the remote does not have an object whole, TrainerError where the remote does not answer.
    """
    pinned = source if source.commit else pin_revision(source)
    commit = str(pinned.commit)
    with _said_of_the_source(), Git.of(source.repository) as git:
        clone(git, _as_code(pinned), commit, scratch / "repository")
        moment = git.run("show", "--no-patch", "--format=%cI", commit, folder=scratch / "repository").strip()
    with _opened(pinned, connection, scratch) as repository:
        whole = _whole(pinned, repository)
        entries = _fetched(pinned, repository, whole)
        files = [
            SourceFile(f"{pinned.repository}@{commit[:12]}:{one.name}", _cached(repository, one)) for one in entries
        ]
        yield Pinned(files, whole.hash, _in_remote(repository, whole), datetime.fromisoformat(moment))


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
        for key, own in (
            ("code.repository", "source.repository"),
            ("code.ref", "source.revision"),
            ("code.", "source."),
        ):
            text = text.replace(key, own)
        raise type(error)(text) from error


@contextlib.contextmanager
def _opened(source: DvcSource, connection: Connection | None, scratch: Path) -> Iterator[Repo]:
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    cache = cache_folder() / "dvc"
    own: dict[str, Any] = {
        "core": {"analytics": False, "check_update": False, "site_cache_dir": str(scratch / "site")},
        "cache": {"dir": str(cache)},
    }
    try:
        with Repo(str(scratch / "repository"), config=own) as plain:
            name = source.remote or plain.config["core"].get("remote")
            known = dict(plain.config["remote"])
        if name not in known:
            raise ConfigurationError(
                f"source.remote: {source.repository} has no remote {name!r}{did_you_mean(str(name), known)}"
                if name
                else f"source.repository: {source.repository} names no default remote; name one under `source.remote`"
            )
        own |= {"core": {**own["core"], "remote": name}, "remote": {name: _login(connection)}}
        with Repo(str(scratch / "repository"), config=own) as repository:
            yield repository
    except NotDvcRepoError:
        raise ConfigurationError(f"source.repository: {source.repository} is no DVC repository") from None
    except ConfigError as error:
        raise ConfigurationError(f"source.repository: {source.repository}: DVC's configuration: {error}") from error
    except DvcException as error:
        raise TrainerError(f"{source.repository}: DVC: {error}") from error


def _login(connection: Connection | None) -> dict[str, str]:
    """What a connection says of a remote in S3, in DVC's words."""
    if connection is None:
        return {}
    options = connection.options
    found = {
        "access_key_id": connection.user or options.get("aws_access_key_id"),
        "secret_access_key": connection.password or options.get("aws_secret_access_key"),
        "session_token": options.get("aws_session_token"),
        "region": options.get("region_name"),
        "endpointurl": options.get("endpoint_url"),
    }
    return {name: value for name, value in found.items() if value}


def _whole(source: DvcSource, repository: Repo) -> _Entry:
    """What DVC tracks under the path."""
    path = f"/{source.path.strip('/')}"
    tracked = [str(out.fs.relpath(out.fs_path, repository.root_dir)) for out in repository.index.outs]
    try:
        info = repository.dvcfs.info(path)
    except FileNotFoundError:
        raise DataValidationError(
            f"source.path: {source.repository} has no {source.path!r} at commit {source.commit}"
            f"{did_you_mean(source.path, tracked)}; DVC tracks {', '.join(tracked) or 'nothing'}"
        ) from None
    if not info.get("dvc_info", {}).get("entry"):
        raise DataValidationError(
            f"source.path: {source.path!r} of {source.repository} is tracked by Git and not by DVC, so no hash pins "
            f"it; `dvc add` it, or name one of {', '.join(tracked) or '(DVC tracks nothing)'}"
        )
    return _entry(path, info)


def _entry(name: str, info: dict[str, Any]) -> _Entry:
    found = info["dvc_info"]["entry"].hash_info
    return _Entry(name.lstrip("/"), str(found.name), str(found.value))


def _fetched(source: DvcSource, repository: Repo, whole: _Entry) -> list[_Entry]:
    """The files, all in the cache and right; one that is damaged there is fetched once more."""
    entries: list[_Entry] = []
    for last in (False, True):
        _fetch(source, repository, whole)
        entries = _files(source, repository, whole)
        _refuse_missing(source, repository, entries)
        damaged = [one for one in entries if one.kind == MD5 and file_digest(_cached(repository, one), MD5) != one.hash]
        if not damaged:
            return entries
        if last:
            break
        logger.warning("%s: damaged in the cache, fetched anew: %s", source.path, damaged[0].name)
        for one in damaged:
            _cached(repository, one).unlink()
    raise DataValidationError(
        f"{source.path}: {len(damaged)} of {len(entries)} files are damaged in the remote: {damaged[0].name} "
        f"({_in_remote(repository, damaged[0])}) has not the MD5 {damaged[0].hash}; remove it there, and "
        "`dvc push` it again from a copy that is whole"
    )


def _fetch(source: DvcSource, repository: Repo, whole: _Entry) -> None:
    from dvc.exceptions import DownloadError

    with contextlib.suppress(DownloadError):  # what is missing then is asked for one by one
        repository.fetch(targets=[str(Path(repository.root_dir) / whole.name)])
    if not _cached(repository, whole).exists():
        _refuse_missing(source, repository, [whole])


def _files(source: DvcSource, repository: Repo, whole: _Entry) -> list[_Entry]:
    if not whole.hash.endswith(".dir"):
        return [whole]
    found = repository.dvcfs.fs.find(f"/{whole.name}", detail=True)
    entries = [_entry(path, info) for path, info in sorted(found.items()) if not is_hidden(path)]
    if not entries:
        raise DataValidationError(f"source.path: the folder {source.path!r} of {source.repository} has no file")
    return entries


def _refuse_missing(source: DvcSource, repository: Repo, entries: list[_Entry]) -> None:
    """Raise DataValidationError for objects that the remote does not have, TrainerError where it does not answer."""
    missing = [one for one in entries if not _cached(repository, one).exists()]
    if not missing:
        return
    first = missing[0]
    try:
        there = repository.cloud.get_remote_odb(hash_name=first.kind).exists(first.hash)
    except PermissionError as error:
        raise ConfigurationError(f"{_in_remote(repository, first)}: the remote refuses this login: {error}") from error
    except Exception as error:
        raise TrainerError(
            f"{_in_remote(repository, first)}: the remote does not answer: {type(error).__name__}"
        ) from error
    if there:
        raise TrainerError(f"{_in_remote(repository, first)} is there, and could not be fetched; see the lines above")
    raise DataValidationError(
        f"{source.path}: the remote has not {len(missing)} of {len(entries)} objects, such as {first.name}: there is "
        f"no {_in_remote(repository, first)}; whoever committed {source.commit} has to run `dvc push`"
    )


def _cached(repository: Repo, entry: _Entry) -> Path:
    cache = repository.cache.local if entry.kind == MD5 else repository.cache.legacy
    return Path(cache.oid_to_path(entry.hash))


def _in_remote(repository: Repo, entry: _Entry) -> str:
    odb = repository.cloud.get_remote_odb(hash_name=entry.kind)
    return str(odb.fs.unstrip_protocol(odb.oid_to_path(entry.hash)))
