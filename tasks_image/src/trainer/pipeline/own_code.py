"""The part of a pipeline that says where code of its own comes from."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from trainer.addresses import secret_in
from trainer.pipeline.spec import Spec

SCHEMES = ("https", "http", "file")
LOGIN_VARIABLES = "GIT_USERNAME and GIT_PASSWORD"
"""Environment variables, of the process that clones alone, that hold the login of a private repository."""
_BY_SSH = re.compile(r"^(ssh|git\+ssh)://|^[\w.-]+@[\w.-]+:")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_REFUSED_IN_REF = re.compile(r"^-|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^/|/$|\.$|(^|/)\.|\.lock(/|$)|^@$")
"""What git refuses in the name of a branch or a tag, and what it would take for an option."""


def _repository(address: str) -> str:
    if _BY_SSH.search(address):
        raise ValueError(
            f"ssh would need a key in each pod; use https:// and put the login into the environment variables "
            f"{LOGIN_VARIABLES}"
        )
    if found := secret_in(address):
        raise ValueError(
            f"holds {found}, which would be kept with every run; take it out of the address and put the login into "
            f"the environment variables {LOGIN_VARIABLES}"
        )
    if address.partition("://")[0] not in SCHEMES or _UNPRINTABLE.search(address):
        raise ValueError(f"an address that begins with https://, http:// or file:// is needed, not {address!r}")
    parts = urlsplit(address)
    if (parts.scheme == "file") == bool(parts.netloc) or not parts.path.strip("/"):
        raise ValueError(f"{address!r} names no repository; it reads https://host/group/name.git or file:///folder")
    return address


def _ref(name: str) -> str:
    if _REFUSED_IN_REF.search(name):
        raise ValueError(f"git allows no branch or tag of the name {name!r}")
    return name


def _inside(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or ".git" in parts or re.search(r"[\x00-\x1f\x7f:\\]", path):
        raise ValueError(f"a path inside the repository is needed, such as 'src', not {path!r}")
    return path


RepositoryAddress = Annotated[str, AfterValidator(_repository)]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=250), AfterValidator(_ref)]
InsideRepository = Annotated[str, StringConstraints(min_length=1), AfterValidator(_inside)]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class Code(Spec):
    """A repository whose Python modules the pipeline's estimators come from."""

    repository: RepositoryAddress
    """Address of a git repository, without a login: https://, http:// or file://."""
    ref: Ref = "main"
    """A branch, a tag or a commit (all its 40 digits); each run resolves it once, when it starts."""
    path: InsideRepository = "."
    """The folder inside the repository that Python imports from."""
    commit: Commit | None = None
    """The commit that is used; a run's frozen file has it, and one that is given is used whatever `ref` says."""
