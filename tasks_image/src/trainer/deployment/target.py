"""Places that let versions answer requests. The state of a deployment is read from the target, and kept there alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from trainer.serving.observed import Observations
    from trainer.serving.traffic import Share


@dataclass(frozen=True)
class Served:
    """The versions that a target serves."""

    revision: int
    """A change names the revision that it is based on; after another change it is refused."""
    shares: tuple[Share, ...]
    """The versions with traffic; the first one is the main version. Empty: none has."""
    running: dict[str, bool]
    """The versions that are there; False for one whose process has ended."""
    experiment: str = ""
    """The name of the experiment that divides the traffic; empty: none does."""

    @property
    def main(self) -> str:
        """The version in service; empty if there is none."""
        return self.shares[0].version if self.shares else ""

    def percent_of(self, version: str) -> float:
        """Return the percentage of the traffic that a version gets."""
        return next((share.percent for share in self.shares if share.version == version), 0.0)


@dataclass(frozen=True)
class Asked:
    """The answers of one version to a request."""

    rows: list[dict[str, Any]]
    """As the model gave them, one for each row of the request."""
    milliseconds: float


class Target(Protocol):
    """Serves versions of one model. All methods can be called again after a kill, and change nothing the second time.

    They raise ConfigurationError or ModelRefusedError where trying again does not help, OutageError where the target
    is away.
    """

    address: str
    """Its kind and where it is, for a person."""

    def state(self) -> Served:
        """Return what is served."""

    def start(self, version: str, digest: str) -> None:
        """Let a version run without traffic, and wait until it can answer."""

    def ask(self, version: str, rows: pl.DataFrame) -> Asked:
        """Ask one version, whatever its traffic, for rows (n, raw columns)."""

    def divide(self, shares: Sequence[Share], revision: int) -> None:
        """Divide the traffic between versions that run."""

    def observations(self, version: str) -> Observations:
        """Return what was seen of a version since it got its share of the traffic."""

    def remove(self, version: str) -> None:
        """End a version without traffic."""
