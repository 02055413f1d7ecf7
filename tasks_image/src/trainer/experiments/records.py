"""An experiment as it is kept."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from trainer.errors import ConfigurationError
from trainer.serving.traffic import Version

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MODEL_ADDRESS = re.compile(r"models:/([^/@\s]+)(?:/([1-9][0-9]{0,9})|@([A-Za-z0-9_-]+))")
SECONDS_PER_DAY = 86_400
MOST_DAYS = 366


class Outcome(BaseModel, frozen=True, extra="forbid"):
    """The final result of an experiment."""

    verdict: Literal["winner", "none", "not enough", "mismatch"]
    winner: Literal["", "a", "b"] = ""
    text: str
    """The result as a sentence."""


class Experiment(BaseModel):
    """An experiment with two versions of one registered model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    """Its id too."""
    model: str
    version_a: Version
    """The version in service."""
    version_b: Version
    traffic_split: Annotated[float, Field(gt=0, lt=1)]
    """The share of version B in the traffic."""
    duration_days: Annotated[float, Field(gt=0, le=MOST_DAYS)]
    salt: str
    """Divides the units otherwise than in any other experiment."""
    created_at: float
    """Seconds since 1970, UTC."""
    started_at: float = 0
    """When the traffic was divided; 0: not yet."""
    ended_at: float = 0
    """0: it runs."""
    outcome: Outcome | None = None
    """Of an experiment that has ended."""

    @property
    def is_running(self) -> bool:
        """True from its start to its end."""
        return bool(self.started_at) and not self.ended_at

    def is_same(self, other: Experiment) -> bool:
        """Return True if both were asked for in the same words."""
        asked = {"name", "model", "version_a", "version_b", "traffic_split", "duration_days"}
        return self.model_dump(include=asked) == other.model_dump(include=asked)

    def version_of(self, arm: str) -> str:
        """Return the version of arm `a` or `b`."""
        return self.version_a if arm == "a" else self.version_b


class ModelAddress(NamedTuple):
    """A version of a registered model, by number or alias; the other one is empty."""

    model: str
    version: str
    alias: str


def parse_model_address(argument: str, address: str) -> ModelAddress:
    """Read `models:/NAME/3` or `models:/NAME@production`. Raises ConfigurationError for another form."""
    found = MODEL_ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigurationError(
            f"{argument}: {address!r} is not the address of a version; write it like models:/NAME/3 or "
            "models:/NAME@production"
        )
    return ModelAddress(*(part or "" for part in found.groups()))
