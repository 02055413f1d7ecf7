"""Running git so that it asks nobody, runs nothing of a repository, and tells no secret."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trainer.environment import git_environment, git_login
from trainer.errors import ConfigurationError, OutageError
from trainer.own_code.meaning import error_of
from trainer.redaction import without_secrets
from trainer.run.outages import RETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

ASK_SECONDS = 60
"""How long a server may take to list its branches and tags."""
FETCH_SECONDS = 600
"""How long fetching a commit may take."""
QUIET_SECONDS = 45
"""A transfer in which nothing moves for so long is given up."""
PROTOCOLS = {"https": "https", "http": "http:https", "file": "file"}
"""What git may speak, by the address's scheme: a server may send it to https, and to nothing else."""

# Nothing of the repository is run (hooks, LFS and other filters), nothing goes on in the background, and a folder
# counts whoever owns it. The helper gets its secrets by environment variables and serves the repository's host alone.
CONFIGURATION = """\
[safe]
	directory = *
[core]
	hooksPath = /dev/null
	askPass =
	fsmonitor = false
[init]
	templateDir =
	defaultBranch = main
[advice]
	detachedHead = false
[gc]
	auto = 0
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
[submodule]
	recurse = false
[filter "lfs"]
	smudge =
	process =
	required = false
[http]
	lowSpeedLimit = 1
	lowSpeedTime = {quiet}
[credential]
	helper =
"""
LOGIN = """\
[credential "{server}"]
	helper = "!f() {{ test \\"$1\\" = get && printf '%s\\\\n' {lines}; }}; f"
"""
LINES = r"\"username=$GIT_USERNAME\" \"password=$GIT_PASSWORD\""
"""What the helper tells git; the shell puts the values in."""


class GitFailedError(Exception):
    """Git ended with an error; the text is what it said, without secrets."""


@dataclass(frozen=True)
class Git:
    """Git for one repository; its home and configuration lie in a temporary folder."""

    repository: str
    home: Path

    @classmethod
    @contextlib.contextmanager
    def of(cls, repository: str) -> Iterator[Git]:
        """Git for the repository at an address, for as long as the block lasts.

        What git says inside the block is raised as what it means: a ConfigurationError where the repository, its
        address or its login is wrong, an OutageError where its server does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="git-") as home:
            git = cls(repository, Path(home))
            (git.home / ".gitconfig").write_text(git.configuration, encoding="utf-8")
            try:
                yield git
            except GitFailedError as error:
                raise error_of(str(error), repository, has_login=bool(git_login()[1])) from error

    @property
    def configuration(self) -> str:
        """The text of git's configuration; no secret stands in it."""
        parts = urlsplit(self.repository)
        general = CONFIGURATION.format(quiet=QUIET_SECONDS)
        if parts.scheme == "file" or not git_login()[1]:
            return general
        return general + LOGIN.format(server=f"{parts.scheme}://{parts.netloc}", lines=LINES)

    def run(self, *arguments: str, folder: Path | None = None, seconds: float | None = None) -> str:
        """What a git command prints; raises GitFailedError where it fails, OutageError where it takes too long.

        Its output goes through files: a helper of a killed git would hold pipes open.
        """
        with (self.home / "out").open("w+b") as out, (self.home / "err").open("w+b") as err:
            code = self._run(arguments, folder, seconds or ASK_SECONDS, (out.fileno(), err.fileno()))
            out.seek(0)
            err.seek(0)
            if code != 0:
                raise GitFailedError(_told(err.read()))
            return out.read().decode("utf-8", "replace")

    def _run(self, arguments: tuple[str, ...], folder: Path | None, seconds: float, outputs: tuple[int, int]) -> int:
        try:
            process = subprocess.Popen(  # noqa: S603  (arguments of our own; names in them are checked when YAML is read)
                ["git", *arguments],  # noqa: S607
                cwd=folder or self.home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=outputs[0],
                stderr=outputs[1],
                process_group=0,
            )
        except FileNotFoundError as error:
            raise ConfigurationError(
                "git is not installed here, and `code` needs it: add the package `git` to the image or the machine"
            ) from error
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise OutageError(
                f"code.repository: {self.repository} did not answer git {arguments[0]} in {seconds:g} seconds. {RETRY}"
            ) from None
        finally:
            _end_group(process)

    def _environment(self) -> dict[str, str]:
        user, password = git_login()
        return {
            **git_environment(),
            "HOME": str(self.home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_ALLOW_PROTOCOL": PROTOCOLS[urlsplit(self.repository).scheme],
            "LC_ALL": "C",  # its errors are read here
            "GIT_USERNAME": user,
            "GIT_PASSWORD": password,
        }


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End git and its helpers, which outlive a git that is killed alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _told(said: bytes) -> str:
    """Git's error without progress, blank lines and secrets."""
    lines = re.split(r"[\r\n]+", said.decode("utf-8", "replace"))
    return without_secrets("\n".join(line.strip() for line in lines if line.strip()), [])
