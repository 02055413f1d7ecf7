"""Observations of a version while it answers: requests, failures, times, and its answers."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_KEPT = 10_000
"""Times and answers; of more, the newest."""
MOST_OF_ONE_REQUEST = 100
"""Answers kept of one request; a batch must not stand for all others."""

Outcome = Literal["answered", "refused", "failed"]
"""`refused`: with a status of 400 to 499, which is the request's fault; `failed`: 500 and more, too slow, or gone."""


class Observations(BaseModel):
    """Observations of a version since it was given its present share of the traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: Annotated[float, Field(ge=0)]
    """Time since it was given this share."""
    answered: int = 0
    refused: int = 0
    failed: int = 0
    milliseconds: list[float] = []
    """Of single requests that were answered, up to 10,000 of the newest."""
    numbers: list[float] = []
    """The numbers it answered: a class's probability where it gives one, else the prediction."""
    labels: list[str] = []
    """Its answers that are texts or whole numbers, as classes are."""
    last_failure: str = ""

    @property
    def counted(self) -> int:
        """Requests that say something of the version."""
        return self.answered + self.failed


@dataclass
class Observed:
    """Collects what is seen of one version."""

    counts: dict[str, int] = field(default_factory=lambda: {"answered": 0, "refused": 0, "failed": 0})
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    numbers: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    labels: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    last_failure: str = ""
    began: float = field(default_factory=time.monotonic)

    def note(self, outcome: Outcome, seconds: float) -> None:
        """Note how a request ended."""
        self.counts[outcome] += 1
        if outcome == "answered":
            self.milliseconds.append(seconds * 1000)

    def note_failure(self, why: str) -> None:
        """Note a request that the version failed to answer."""
        self.counts["failed"] += 1
        self.last_failure = why

    def note_answers(self, predictions: Any) -> None:
        """Note what a response holds under `predictions`: rows with `prediction` and, for two classes, `probability`.

        Of many rows some are drawn. Whatever has another form is not counted: the model's own form is checked when it
        is judged.
        """
        if not isinstance(predictions, list):
            return
        some = (
            predictions if len(predictions) <= MOST_OF_ONE_REQUEST else random.sample(predictions, MOST_OF_ONE_REQUEST)
        )
        for row in some:
            if isinstance(row, dict):
                self._note_answer(row.get("prediction"), row.get("probability"))

    def _note_answer(self, prediction: Any, probability: Any) -> None:
        if isinstance(prediction, str | int):
            self.labels.append(str(prediction))
        number = probability if _is_number(probability) else prediction
        if _is_number(number):
            self.numbers.append(float(number))

    def summary(self) -> Observations:
        """Return what was seen."""
        return Observations(
            seconds=time.monotonic() - self.began,
            **self.counts,
            milliseconds=list(self.milliseconds),
            numbers=list(self.numbers),
            labels=list(self.labels),
            last_failure=self.last_failure,
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
