"""What DVC tracks in a clone of a Git repository, and which remote has it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import did_you_mean
from trainer.redaction import without_secrets
from trainer.sources.s3.login import login_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dvc.output import Output
    from dvc.repo import Repo

    from trainer.connections import Connection
    from trainer.pipeline import DvcSource

ASKS = ("ask_password", "ask_passphrase")
"""Settings of a remote that would make DVC ask whoever sits at the terminal."""
PATIENCE = {"connect_timeout": 10, "read_timeout": 60}
"""How many seconds S3 may take, unless the remote's settings say it."""
LONGEST_LIST = 10


@dataclass(frozen=True)
class Tracking:
    """A clone with DVC in it."""

    source: DvcSource
    repository: Repo
    folder: PurePosixPath
    """Where DVC's root is in the clone."""

    @classmethod
    @contextlib.contextmanager
    def of(cls, source: DvcSource, clone: Path, scratch: Path) -> Iterator[Tracking]:
        """The DVC repository that the source's path is in; its own state goes to `scratch`.

        Inside the block, what DVC says of its files is raised as ConfigurationError.
        """
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        own = {"core": {"analytics": False, "check_update": False, "site_cache_dir": str(scratch)}}
        folders = PurePosixPath(source.path).parents
        root = next((folder for folder in folders if (clone / folder / ".dvc").is_dir()), None)
        if root is None:
            raise ConfigurationError(
                f"source.repository: {source.repository} at {source.commit} is no DVC repository: there is no folder "
                f".dvc above {source.path!r}; `dvc init` makes one"
            )
        try:
            with Repo(str(clone / root), config=own) as repository:
                yield cls(source, repository, root)
        except (DvcException, ImportError) as error:  # the latter: a remote that another package is for
            raise ConfigurationError(
                f"source.repository: {source.repository} at {source.commit}: {without_secrets(str(error))}"
            ) from error

    def output(self) -> Output:
        """The file or folder that DVC tracks and the source's path names, or is inside of."""
        broken: list[str] = []
        self.repository.stage_collection_error_handler = lambda file, error: broken.append(f"{file} ({error})")
        outputs = {self._path(out): out for out in self.repository.index.outs if out.is_in_repo and out.use_cache}
        wanted = PurePosixPath(self.source.path)
        found = next((outputs[path] for path in (wanted, *wanted.parents) if path in outputs), None)
        if found is None:
            raise DataValidationError(self._not_tracked([str(path) for path in outputs], broken))
        if not found.hash_info:
            raise DataValidationError(
                f"source.path: {self.source.path!r} of {self.source.repository} has no hash at {self.source.commit}; "
                "`dvc repro` or `dvc commit` it, and commit dvc.lock"
            )
        return found

    def inside(self, output: Output) -> tuple[str, ...]:
        """What the source's path names within a tracked folder; empty: the folder itself."""
        return PurePosixPath(self.source.path).relative_to(self._path(output)).parts

    def remote(self, output: Output, connection: Connection | None) -> Any:
        """DVC's remote that has a tracked file or folder. Raises ConfigurationError where none can be used."""
        from dvc.config_schema import RelPath
        from dvc.fs import get_fs_config

        remotes = self.repository.config["remote"]
        name = self.source.remote or output.remote or self.repository.config["core"].get("remote")
        if not name:
            raise ConfigurationError(
                f"source.repository: {self.source.repository} has no default remote; name one in `source.remote`, or "
                "`dvc remote add --default` one"
            )
        if name.lower() not in remotes:
            raise ConfigurationError(
                f"source.remote: {self.source.repository} has no remote {name!r}{did_you_mean(name, remotes)}"
            )
        settings = remotes[name.lower()]
        if isinstance(settings["url"], RelPath):
            settings["url"] = self._beside_the_origin(settings["url"], name)
        settings.update({key: False for key in ASKS if key in settings})
        address = get_fs_config(self.repository.config, name=name)["url"]
        if address.startswith("s3://"):
            settings.update({key: seconds for key, seconds in PATIENCE.items() if key not in settings})
        settings.update(_settings_of(connection, str(address)))
        found = self.repository.cloud.get_remote(name)
        if found.worktree or found.fs.version_aware:
            raise ConfigurationError(
                f"source.remote: {name!r} keeps files by their names (version_aware or worktree), not by their hashes; "
                "name a remote that `dvc push` fills by hash"
            )
        return found

    def _path(self, output: Output) -> PurePosixPath:
        return self.folder / Path(output.fs_path).relative_to(self.repository.root_dir).as_posix()

    def _not_tracked(self, tracked: list[str], broken: list[str]) -> str:
        source, wanted = self.source, f"{self.source.path!r} of {self.source.repository} at {self.source.commit}"
        shown = ", ".join(sorted(tracked)[:LONGEST_LIST]) + (" and more" if len(tracked) > LONGEST_LIST else "")
        unread = f"; DVC cannot read {without_secrets('; '.join(broken))}" if broken else ""
        if (Path(self.repository.root_dir) / PurePosixPath(source.path).relative_to(self.folder)).exists():
            return (
                f"source.path: {wanted} is not tracked by DVC, so no hash pins it: `dvc add {source.path}`, commit "
                f"{source.path}.dvc and `dvc push`; DVC tracks {shown or 'nothing'}{unread}"
            )
        return f"source.path: there is no {wanted}{did_you_mean(source.path, tracked)}{unread}"

    def _beside_the_origin(self, url: str, name: str) -> str:
        """The folder of a remote that is given relative to the repository that was cloned."""
        inside = Path(str(self.folder)) / ".dvc"
        origin = urlsplit(self.source.repository)
        folder = Path(unquote(origin.path)) / inside
        if origin.scheme != "file" or not folder.is_dir():
            raise ConfigurationError(
                f"source.remote: {name!r} of {self.source.repository} is a folder relative to somebody's working tree; "
                "name a remote with an address, such as s3://bucket/folder"
            )
        relative = os.path.relpath(url, Path(self.repository.root_dir) / ".dvc")
        return os.path.normpath(folder / relative)


def _settings_of(connection: Connection | None, address: str) -> dict[str, str]:
    """What a connection says of a remote in S3, in DVC's words."""
    if connection is None:
        return {}
    if not address.startswith("s3://"):
        raise ConfigurationError(
            f"source.connection: it is a login for S3, and the remote is {without_secrets(address)}; leave it out"
        )
    login = login_of(connection)
    found = {
        "access_key_id": login.access_key_id,
        "secret_access_key": login.secret_access_key,
        "session_token": login.session_token,
        "region": login.region,
        "endpointurl": login.endpoint,
    }
    return {name: value for name, value in found.items() if value}
