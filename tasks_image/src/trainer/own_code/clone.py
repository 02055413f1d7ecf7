"""A commit's files in a folder that may be a mount point: complete, or not counted as there."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.own_code.git import FETCH_SECONDS, Git, GitFailedError
from trainer.own_code.meaning import NOT_THERE
from trainer.own_code.refs import COMMIT, possible_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Code

logger = logging.getLogger(__name__)

STAGING = ".trainer-checkout-"
"""What the folder is called, inside the target, in which a clone is made."""
MARK = "trainer-checkout"
"""A file in `.git` by which a clone of ours is known again: nothing else is ever removed."""
MADE_BY_A_VOLUME = {"lost+found"}
SOME_COMMITS = 200
ALL_COMMITS = 2**31 - 1
"""What git takes for an infinite depth."""


def clone(git: Git, code: Code, commit: str, target: Path) -> None:
    """Put a commit's files into a folder; what an earlier clone has left there goes.

    A clone is there if and only if its `.git` is, which is moved in last. Raises ConfigurationError where the commit
    or `code.path` does not exist, and for a folder that holds anything else than a clone of ours.
    """
    _refuse_foreign(target)
    if is_clone_of(git, commit, target):
        logger.info("code: %s already holds commit %s", target, commit)
        return
    target.mkdir(parents=True, exist_ok=True)
    with _staging(target) as staged:
        git.run("init", "--quiet", str(staged))
        _fetch(git, code, commit, staged)
        git.run("checkout", "--quiet", "--force", "--detach", commit, folder=staged, seconds=FETCH_SECONDS)
        source_folder(staged, code)
        (staged / ".git" / MARK).touch()
        _move(staged, target)


def commit_in(folder: Path) -> str:
    """The commit that a clone of ours holds, without asking git; empty where there is no complete clone."""
    try:
        head = (folder / ".git" / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return head if COMMIT.fullmatch(head) and (folder / ".git" / MARK).is_file() else ""


def is_clone_of(git: Git, commit: str, folder: Path) -> bool:
    """Whether a folder holds this commit, and none of its files has been changed."""
    if commit_in(folder) != commit:
        return False
    try:
        return not git.run("status", "--porcelain", "--untracked-files=no", folder=folder, seconds=FETCH_SECONDS)
    except GitFailedError:
        return False


def source_folder(folder: Path, code: Code) -> Path:
    """The folder of a clone that Python imports from. Raises ConfigurationError where it is not there."""
    found = (folder / code.path).resolve()
    if not found.is_dir() or not found.is_relative_to(folder.resolve()):
        names = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
        there = f"there are {', '.join(names)}" if names else "there are none"
        raise ConfigurationError(
            f"code.path: there is no folder {code.path!r} in {code.repository} at {code.ref}; {there}"
        )
    return found


def _refuse_foreign(target: Path) -> None:
    """Raise ConfigurationError for a folder with anything in it that is not ours to remove."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ConfigurationError(f"{target} is a file; name a folder for the code")
    names = {one.name for one in target.iterdir()} - MADE_BY_A_VOLUME
    ours = (target / ".git" / MARK).is_file() or any(name.startswith(STAGING) for name in names)
    if names and not ours:
        raise ConfigurationError(
            f"{target} holds files that no checkout of the trainer has put there; name an empty folder for the code"
        )


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder on the target's own file system, since renaming works there alone; those of killed tries go."""
    mine = Path(tempfile.mkdtemp(prefix=STAGING, dir=target))
    try:
        yield mine
    finally:
        for left in target.glob(f"{STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)


def _move(staged: Path, target: Path) -> None:
    """Replace what the target holds; `.git` goes first and comes last."""
    old = [one for one in target.iterdir() if not one.name.startswith(STAGING) and one.name not in MADE_BY_A_VOLUME]
    for one in sorted(old, key=lambda path: path.name != ".git"):
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
    for one in sorted(staged.iterdir(), key=lambda path: path.name == ".git"):
        one.replace(target / one.name)


def _fetch(git: Git, code: Code, commit: str, into: Path) -> None:
    """Get a commit: alone, else with the ref's last ones, else with all branches and tags."""
    for depth, names in _ways(code, commit):
        try:
            git.run(
                "fetch", "--quiet", "--no-tags", f"--depth={depth}", git.repository, *names,
                folder=into, seconds=FETCH_SECONDS,
            )  # fmt: skip
        except GitFailedError as error:
            if not NOT_THERE.search(str(error)):
                raise
            logger.info("code: %s does not hand out commit %s by itself", git.repository, commit)
        if _has(git, commit, into):
            return
    if code.commit is None:
        raise ConfigurationError(f"code.ref: {code.repository} has no commit {commit}")
    raise ConfigurationError(
        f"code.commit: {code.repository} has no commit {commit}, or has it no longer since its branch was rewritten. "
        "Start a new run, which resolves the ref again"
    )


def _ways(code: Code, commit: str) -> Iterator[tuple[int, list[str]]]:
    """Depths, and what to ask for."""
    yield 1, [commit]
    if not COMMIT.fullmatch(code.ref.lower()):
        for name in possible_names(code.ref):
            yield SOME_COMMITS, [name]
    yield ALL_COMMITS, ["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"]


def _has(git: Git, commit: str, folder: Path) -> bool:
    try:
        git.run("cat-file", "-e", f"{commit}^{{commit}}", folder=folder)
    except GitFailedError:
        return False
    return True
