"""The part of a pipeline that says how models are made."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from trainer.pipeline.data import Identifier
from trainer.pipeline.resources import AlgorithmResources
from trainer.pipeline.spec import Spec


class Features(Spec):
    """Columns computed from the inputs, as SQL expressions."""

    fit: dict[Identifier, str] = {}
    """Aggregates over the training rows; each becomes a constant that `derive` uses by its name."""
    derive: dict[Identifier, str] = {}
    """Row-by-row expressions; each becomes an input of the model."""


class Preprocess(Spec):
    """How inputs become numbers; fitted on training rows alone."""

    numeric: Literal["median", "mean"] = "median"
    """What stands in for a missing number."""
    categorical: Literal["one_hot", "ordinal"] = "one_hot"


class Range(Spec):
    """Numbers to search between; whole ones if both ends are whole."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range takes no step")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"a step has to be above 0, not {self.step}")
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        if whole and isinstance(self.step, float):
            raise ValueError(f"whole numbers are searched in whole steps, not {self.step}")
        return self


class Choice(Spec):
    """Values to choose from."""

    choices: Annotated[list[str | int | float | bool | None], Field(min_length=1)]


class Algorithm(Spec):
    """What every algorithm can say."""

    remark: ClassVar[str] = ""
    """A remark on its models, shown beside their name."""

    KIND: str
    params: dict[str, Any] = {}
    search: dict[str, Range | Choice] = {}
    resources: AlgorithmResources = {}
    """What tuning and training this algorithm needs of a cluster, over the pipeline's `resources`."""


class XGBoost(Algorithm):
    """Gradient-boosted trees by XGBoost."""

    KIND: Literal["xgboost"] = "xgboost"


class LightGBM(Algorithm):
    """Gradient-boosted trees by LightGBM."""

    KIND: Literal["lightgbm"] = "lightgbm"


class Sklearn(Algorithm):
    """Any estimator with scikit-learn's interface, by its import path."""

    KIND: Literal["sklearn"] = "sklearn"
    estimator: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")]


AnyAlgorithm = Annotated[XGBoost | LightGBM | Sklearn, Field(discriminator="KIND")]
AlgorithmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class EarlyStopping(Spec):
    """Boosting stops when rows that are held out from the fold's own training rows stop improving."""

    rounds: Annotated[int, Field(ge=1)] = 30
    """Without improvement, after which boosting stops."""
    max_rounds: Annotated[int, Field(ge=1)] = 1000
    """Where it stops at the latest; the search sets `n_estimators` to it, and to the mean round found afterwards."""
    holdout: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """Share of the fold's training rows; the fold's scored rows are never looked at."""


Refit = Literal["none", "validation", "everything"]


class Tuning(Spec):
    """How hyperparameters are searched."""

    enabled: bool = True
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50
    timeout_minutes: Annotated[float, Field(gt=0)] = 60
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    metric: str
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share the study's trials. With several, the order of the trials, and so the result, depends on
    which of them is faster; with one, the same seed gives the same result."""
    seed: int = 42
    parallel_folds: Annotated[int, Field(ge=1)] | None = None
    """Folds fitted at the same time; by default one per core."""
    startup_trials: Annotated[int, Field(ge=1)] = 10
    """Random trials before the sampler learns from them, and before any trial may be pruned."""
    early_stopping: EarlyStopping | None = None
