"""From the name of a branch or a tag to the commit that it stands for now."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.own_code.git import Git
    from trainer.pipeline import Code

COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
PEELED = "^{}"
"""What git adds to the name of an annotated tag for the commit that it is put on."""
MOST_NAMES = 10


def resolve(git: Git, code: Code) -> str:
    """The commit that `code.ref` stands for, or the one that is given with it.

    Raises ConfigurationError for a ref that does not exist, or that is a branch and a tag.
    """
    if code.commit is not None:
        return code.commit
    if COMMIT.fullmatch(code.ref.lower()):
        return code.ref.lower()
    names = possible_names(code.ref)
    found = _listed(git, *names, *(f"{name}{PEELED}" for name in names))
    commits = {name: found.get(f"{name}{PEELED}", found[name]) for name in names if name in found}
    if not commits:
        raise ConfigurationError(
            f"code.ref: {code.repository} has no branch or tag {code.ref!r}{_there(git, code.ref)}"
        )
    if len({*commits.values()}) > 1:
        raise ConfigurationError(f"code.ref: {code.ref!r} is a branch and a tag; say which: {' or '.join(commits)}")
    return next(iter(commits.values()))


def possible_names(ref: str) -> list[str]:
    """The full names that a ref can have."""
    if ref == "HEAD" or ref.startswith("refs/"):
        return [ref]
    return [f"refs/heads/{ref}", f"refs/tags/{ref}"]


def _listed(git: Git, *names: str) -> dict[str, str]:
    """What the server says each name stands for; git also lists longer names that end alike."""
    lines = git.run("ls-remote", "--quiet", git.repository, *names).splitlines()
    return {name: digits for digits, _, name in (line.partition("\t") for line in lines)}


def _there(git: Git, ref: str) -> str:
    """What there is instead."""
    if _SHORT_COMMIT.fullmatch(ref):
        return "; for a commit, write all its 40 digits"
    lines = git.run("ls-remote", "--quiet", "--heads", "--tags", "--refs", git.repository).splitlines()
    names = sorted({re.sub(r"^refs/(heads|tags)/", "", line.partition("\t")[2]) for line in lines})
    if not names:
        return "; it has none at all"
    close = difflib.get_close_matches(ref, names, n=1)
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    return f"; did you mean {close[0]!r}? there are {shown}" if close else f"; there are {shown}"
