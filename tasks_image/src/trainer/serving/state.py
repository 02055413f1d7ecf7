"""The state of a router, as it is kept on disk: a router that is started again goes on with it."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import ConfigurationError
from trainer.run.folder import make_private
from trainer.serving.traffic import Split, Version

if TYPE_CHECKING:
    from pathlib import Path

M = TypeVar("M", bound=BaseModel)

STATE_FILE = "state.json"
ADDRESS_FILE = "router.json"


class ServedVersion(BaseModel, frozen=True, extra="forbid"):
    """A version that has a process."""

    version: Version
    digest: str
    """SHA-256 of its model's files."""


class RunningExperiment(BaseModel, frozen=True, extra="forbid"):
    """An experiment whose versions have the traffic: the first one is A, the second one B."""

    name: str


class ServingState(BaseModel):
    """The versions that run, and their shares of the traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    revision: Annotated[int, Field(ge=0)] = 0
    """Counts the changes: a change names the one that it has seen, so that two do not undo each other."""
    versions: tuple[ServedVersion, ...] = ()
    split: Split = Split()
    previous: str = ""
    """The version that had all traffic before the present one; empty: none had."""
    experiment: RunningExperiment | None = None

    def digest_of(self, version: str) -> str:
        """Return the digest of a version that runs, or an empty text."""
        return next((one.digest for one in self.versions if one.version == version), "")


class RouterAddress(BaseModel, frozen=True, extra="forbid"):
    """The address of a model's router; the file is for its user alone."""

    url: str
    token: str
    """A change has to bear it."""
    pid: int


def new_address(url: str) -> RouterAddress:
    """Return the address of this process with a new token."""
    return RouterAddress(url=url, token=secrets.token_urlsafe(32), pid=os.getpid())


def write(folder: Path, name: str, content: BaseModel) -> None:
    """Write a file atomically, which only this user may read."""
    make_private(folder)
    temporary = folder / f".{name}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)


def read(folder: Path, name: str, kind: type[M]) -> M | None:
    """Return what a file holds; None if there is none. Raises ConfigurationError if it cannot be read."""
    file = folder / name
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        return kind.model_validate(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}; move it away and deploy the version again"
        ) from error


def served_versions(home: Path) -> dict[tuple[str, str], str]:
    """Return the versions (model, number) that the routers below a folder serve, and why each is needed.

    Raises ConfigurationError if a router's state cannot be read.
    """
    states = [read(file.parent, STATE_FILE, ServingState) for file in sorted(home.glob(f"*/{STATE_FILE}"))]
    return {(state.model, one.version): "its router serves it" for state in states if state for one in state.versions}
