"""Real Git repositories with DVC in them for tests, and their remotes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.git_world import CONFIGURED, Repository, git


@dataclass(frozen=True)
class DvcRepository(Repository):
    """A repository in which DVC tracks files; `home` is where DVC keeps what it knows of this person."""

    home: Path

    @classmethod
    def of(cls, folder: Path, remote: str, settings: Mapping[str, str] | None = None) -> DvcRepository:
        """A repository without data, and with a default remote called `store`."""
        folder.mkdir(parents=True)
        git("init", "--quiet", "--initial-branch=main", cwd=folder)
        repository = cls(folder, folder.with_name(f"{folder.name}-home"))
        repository.dvc("init", "--quiet")
        if remote:
            repository.dvc("remote", "add", "--quiet", "--default", "store", remote)
        for name, value in (settings or {}).items():
            repository.dvc("remote", "modify", "--quiet", "store", name, value)
        repository.commit({})
        return repository

    def dvc(self, *arguments: str, **variables: str) -> None:
        """Run DVC's command line."""
        environment = {
            **os.environ, **CONFIGURED, **variables, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.home / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.home / "global"), "DVC_SYSTEM_CONFIG_DIR": str(self.home / "system"),
        }  # fmt: skip
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def track(self, path: str, files: Mapping[str, str], *, push: bool = True) -> str:
        """Write files, `dvc add`, push and commit them; returns the commit. The name "" is the path itself."""
        for name, text in files.items():
            file = self.folder / path / name if name else self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # it may be a link into DVC's cache
            file.write_text(text)
        self.dvc("add", "--quiet", path)
        if push:
            self.dvc("push", "--quiet")
        return self.commit({})


def object_of(text: str) -> str:
    """Where a remote or a cache of DVC has the object of a file with that text."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return f"files/md5/{digest[:2]}/{digest[2:]}"


def snapshot_of(folder: Path) -> dict[str, Any]:
    """All files of a folder with their bytes and times, to tell whether anything has been written there."""
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}
