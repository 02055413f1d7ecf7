"""What a bench answers: a figure, its reference and the goal for their ratio."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from trainer.errors import TrainerError

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Figure:
    """A measured value beside its reference, both in `unit`; raises TrainerError where they have no ratio."""

    name: str
    value: float
    reference: float
    goal: float
    """What the ratio must not exceed, or reach where higher is better."""
    better: Better
    unit: str
    how: str
    """One line: what was measured against what."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.reference) and self.reference > 0):
            raise TrainerError(f"{self.name}: {self.value} against {self.reference} {self.unit} is no measurement")

    @property
    def ratio(self) -> float:
        """The value in units of its reference."""
        return self.value / self.reference

    @property
    def met(self) -> bool:
        """Whether the ratio is as good as its goal."""
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal

    @property
    def bound(self) -> str:
        """The goal with its direction."""
        return f"{'<=' if self.better == 'lower' else '>='} {self.goal:g}"

    def as_entry(self) -> dict[str, Any]:
        """The figure as `results.json` holds it under its name."""
        fields = asdict(self)
        del fields["name"]
        return {**fields, "ratio": self.ratio}
