"""What a search asks for: the scores that some parameters get, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@dataclass(frozen=True)
class Score:
    """A model's figure on rows that it has not learned from, and the rounds that it used if it stopped early."""

    value: float
    rounds: int | None


class Objective(Protocol):
    """How parameters are scored: on folds, or after each epoch on rows that were set aside."""

    @property
    def reports(self) -> int:
        """How many scores a trial gives that is not stopped."""

    @property
    def can_stop_early(self) -> bool:
        """Whether a fit can be stopped where rows that are set aside stop improving."""

    @property
    def rounds_name(self) -> str:
        """The parameter that says for how many rounds a model is fitted."""

    @property
    def scores_as_given(self) -> bool:
        """Whether parameters are scored that are not searched: what is cheap tells a person how good they are."""

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        """What a trial with these scores is worth, and by how much it may be off (0: nobody can say)."""

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:
        """The scores of these parameters in their order; once closed, what is left is not fitted."""
