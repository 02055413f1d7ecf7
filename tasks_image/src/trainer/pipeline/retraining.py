"""The part of a pipeline that says when monitoring starts a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from trainer.pipeline.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

ConditionName = Literal["performance_drop", "drift_share"]


class RetrainWhen(Spec):
    """Conditions; each is judged by itself, and one that holds is enough."""

    performance_drop: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """A look counts if the metric of `gates.against_production` is at least so much worse on its labelled rows than at
    the promotion, and a drop is also certain at 99 %, the error of both figures included. Null: not looked at."""
    drift_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """A look counts if at least this share of the inputs has drifted. Null: not looked at."""

    @property
    def limits(self) -> Mapping[ConditionName, float]:
        """The limit of each condition that is looked at."""
        named: dict[ConditionName, float | None] = {
            "performance_drop": self.performance_drop,
            "drift_share": self.drift_share,
        }
        return {name: limit for name, limit in named.items() if limit is not None}

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.limits:
            raise ValueError("give `performance_drop`, `drift_share` or both, or remove `retrain`")
        return self


class Retrain(Spec):
    """Retraining that monitoring starts, beside the pipeline's own schedule."""

    when: RetrainWhen
    looks: Annotated[int, Field(ge=1, le=52)] = 3
    """The newest looks that have a figure for a condition, of which `at_least` have to count."""
    at_least: Annotated[int, Field(ge=1, le=52)] = 2
    """With 1, a single unlucky look starts a training run."""
    cooldown_days: Annotated[float, Field(ge=0, le=365)] = 7
    """Days after a training run that monitoring has started, and after a promotion, in which it starts none."""

    @model_validator(mode="after")
    def _enough_looks(self) -> Self:
        if self.at_least > self.looks:
            raise ValueError(f"at_least: {self.at_least} of the last {self.looks} looks can never count; raise `looks`")
        return self
