"""The choice of the version that answers a request: by percentages, and for the same unit always the same one."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

WHOLE = 100.0
ROUNDING = 1e-9
BITS = 64

Version = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,9}$")]
"""The number of a registered version."""


class Share(BaseModel, frozen=True, extra="forbid"):
    """The part of the traffic that a version gets."""

    version: Version
    percent: Annotated[float, Field(gt=0, le=WHOLE, allow_inf_nan=False)]


class Split(BaseModel):
    """The versions that get traffic, and how much; the first one also answers where another one fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: Annotated[tuple[Share, ...], Field(max_length=2)] = ()
    salt: str = ""
    """Tells this split from others: with another salt, units fall otherwise."""

    @model_validator(mode="after")
    def _is_whole(self) -> Split:
        versions = [share.version for share in self.shares]
        if len(set(versions)) < len(versions):
            raise ValueError(f"version {versions[0]} stands twice; name each version once")
        total = sum(share.percent for share in self.shares)
        if self.shares and abs(total - WHOLE) > ROUNDING:
            parts = ", ".join(f"version {share.version}: {share.percent:g}" for share in self.shares)
            raise ValueError(f"the percentages add up to {total:g}, not to 100 ({parts})")
        return self

    @property
    def main(self) -> str:
        """The version that answers where another one fails; empty if none gets traffic."""
        return self.shares[0].version if self.shares else ""

    def percent_of(self, version: str) -> float:
        """Return the percentage that a version gets."""
        return next((share.percent for share in self.shares if share.version == version), 0.0)

    def version_for(self, unit: str | None) -> str:
        """Return the version that answers a request of a unit; of none: by chance. The split must not be empty.

        A unit's place is a salted SHA-256 of its id, uniform over the split. The last share takes places from the end,
        so that a larger share of the second version keeps the units that it had.
        """
        place = (random.random() if unit is None else place_of(unit, self.salt)) * WHOLE  # noqa: S311  (no secret)
        return self.shares[-1].version if place >= WHOLE - self.shares[-1].percent else self.shares[0].version


def place_of(unit: str, salt: str) -> float:
    """Return a unit's place from 0 up to 1.

    >>> place_of("customer 7", "a") == place_of("customer 7", "a") != place_of("customer 7", "b")
    True
    """
    digest = sha256(f"{salt}\0{unit}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[: BITS // 8], "big") / float(2**BITS)
