"""The part of a pipeline that says what a model must reach, and where it is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from trainer.pipeline.metrics import METRICS
from trainer.pipeline.spec import Spec


class AgainstProduction(Spec):
    """When a challenger counts as better than production: its gain, beyond noise, is above `min_gain`."""

    metric: str
    min_gain: float = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=200)] = 2000
    seed: int = 42
    min_rows: Annotated[int, Field(ge=30)] = 200
    """Test rows that neither model was trained or tuned on; with fewer, no comparison is made and nothing moves."""


class Limit(Spec):
    """One absolute limit: a metric of the test rows and the value that it has to reach."""

    metric: str
    limit: float

    @property
    def better(self) -> Literal["higher", "lower"]:
        """The direction in which the metric improves."""
        return "higher" if METRICS[self.metric].greater_is_better else "lower"


class Gates(Spec):
    """What the test figures have to reach. A metric that gets better as it falls has an upper limit."""

    weighted: dict[Literal["accuracy", "precision", "recall", "f1_score"], float] = {}
    """Averages over the classes, weighted by their size."""
    positive: dict[Literal["precision", "recall", "f1_score"], float] = {}
    """The positive class alone: weighted averages can look well while hardly a positive row is found."""
    auc_roc: float | None = None
    auc_pr: float | None = None
    log_loss: float | None = None
    rmse: float | None = None
    mse: float | None = None
    mae: float | None = None
    r2: float | None = None
    against_production: AgainstProduction

    def limits(self) -> list[Limit]:
        """All absolute limits, as one list."""
        plain = {name: getattr(self, name) for name in METRICS if name in type(self).model_fields}
        positive = {f"positive_{name}": value for name, value in self.positive.items()}
        named: dict[str, float | None] = {**dict(self.weighted.items()), **positive, **plain}
        return [Limit(metric=name, limit=value) for name, value in named.items() if value is not None]


class Acceptance(Spec):
    """What the registered model must keep to when it is loaded in a process of its own."""

    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Median time to predict one row."""
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak resident memory of the process that scores the test rows."""


class Registry(Spec):
    """Names in MLflow."""

    model: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    experiment: str
    description: str = ""
