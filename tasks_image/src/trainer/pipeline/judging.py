"""The part of a pipeline that says what a model must reach, and where it is kept."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from trainer.pipeline.metrics import METRICS
from trainer.pipeline.spec import Spec

Rule = Literal["better", "not_worse"]
Cost = Annotated[float, Field(gt=0, allow_inf_nan=False)]


COMPARISONS_WITH_ANCHOR = 52
"""Comparisons with one anchor, a year of weekly runs, that share the error of one (Dunn 1961). At 95 % each, a model
that is just too bad would be promoted at some time in 93 of 100 such years."""


class AgainstProduction(Spec):
    """The rule by which a challenger replaces production, and the metric that they are compared by."""

    metric: str
    rule: Rule = "better"
    """`better`: the challenger's gain over production, beyond noise, is above `min_gain`. `not_worse`: it is shown to
    be no worse by `margin` than production and than the anchor, the last version promoted as better, or first."""
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The loss, in the metric's unit, that fresher data is worth; only with `rule: not_worse`, which requires it."""
    min_gain: float = 0.0
    """With `not_worse`: the gain from which a promoted challenger is the next anchor."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the gain's two-sided interval; with `not_worse` also that of the one-sided lower bound against production. The
    bound against the anchor is stricter, for a year of weekly comparisons."""
    resamples: Annotated[int, Field(ge=200)] = 2000
    seed: int = 42
    min_rows: Annotated[int, Field(ge=30)] = 200
    """Test rows that no model of the comparison was trained or tuned on; with fewer, none is made and nothing moves."""

    @model_validator(mode="after")
    def _margin_fits_the_rule(self) -> Self:
        if self.rule == "not_worse" and self.margin is None:
            raise ValueError(
                f"margin: `rule: not_worse` needs the loss in {self.metric} that fresher data is worth, such as "
                "`margin: 0.005`"
            )
        if self.rule == "better" and self.margin is not None:
            raise ValueError("margin: only `rule: not_worse` has a margin; remove it, or set `rule: not_worse`")
        return self

    @property
    def anchor_confidence(self) -> float:
        """The confidence of the one-sided bound against the anchor: the error of one bound, shared by a year's runs."""
        return 1 - (1 - self.confidence) / COMPARISONS_WITH_ANCHOR


class Limit(Spec):
    """One absolute limit: a metric of the test rows and the value that it has to reach."""

    metric: str
    limit: float

    @property
    def better(self) -> Literal["higher", "lower"]:
        """The direction in which the metric improves."""
        return "higher" if METRICS[self.metric].greater_is_better else "lower"


class SliceGate(Spec):
    """What a model has to reach in each segment of the test rows; the values of a column are the segments."""

    column: str
    """An input, a derived or an excluded column with few values; a number is cut into segments under
    `features.derive`."""
    segments: list[str | int | bool] = []
    """The segments that have to be there; by default every value that occurs in the training rows."""
    min_rows: Annotated[int, Field(ge=1)] = 30
    """Test rows of a segment; with fewer, or none, nothing is known of it and the model is refused."""
    limits: dict[str, float] = {}
    """Metric to the value that each segment has to reach."""
    max_loss: Annotated[float, Field(ge=0)] | None = None
    """How much worse than production, in the metric of `against_production`, a segment may be shown to be."""

    @property
    def labels(self) -> list[str]:
        """The listed segments as the texts by which they are known."""
        texts = (str(value).lower() if isinstance(value, bool) else str(value) for value in self.segments)
        return list(dict.fromkeys(texts))


class Gates(Spec):
    """What the test figures have to reach. A metric that gets better as it falls has an upper limit."""

    weighted: dict[Literal["accuracy", "precision", "recall", "f1_score"], float] = {}
    """Averages over the classes, weighted by their size."""
    positive: dict[Literal["precision", "recall", "f1_score"], float] = {}
    """The positive class alone: weighted averages can look well while hardly a positive row is found."""
    auc_roc: float | None = None
    auc_pr: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    rmse: float | None = None
    mse: float | None = None
    mae: float | None = None
    mape: float | None = None
    """As a share, 0.1 for 10 %, over the rows whose target is not 0."""
    r2: float | None = None
    perplexity: float | None = None
    """Per token of the model's own tokenizer, so the limit is for that tokenizer."""
    bits_per_byte: float | None = None
    against_production: AgainstProduction
    slices: list[SliceGate] = []
    """What has to be reached within segments, where a model that is good on the whole may fail."""

    def limits(self) -> list[Limit]:
        """All absolute limits, as one list."""
        plain = {name: getattr(self, name) for name in METRICS if name in type(self).model_fields}
        positive = {f"positive_{name}": value for name, value in self.positive.items()}
        named: dict[str, float | None] = {**dict(self.weighted.items()), **positive, **plain}
        return [Limit(metric=name, limit=value) for name, value in named.items() if value is not None]


class CutOff(Spec):
    """The rule for the probability from which a row counts as positive; chosen on validation rows (two classes)."""

    false_positive: Cost | None = None
    """The cost of a negative row that counts as positive; with `false_negative`, the cheapest cut-off is chosen."""
    false_negative: Cost | None = None
    """The cost of a positive row that does not count as positive, in the same unit."""
    precision: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of the rows counted as positive that has to be positive; of the cut-offs that reach it, the lowest is
    chosen, which finds most."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        costs = (self.false_positive, self.false_negative)
        if self.precision is not None and costs == (None, None):
            return self
        if self.precision is None and None not in costs:
            return self
        raise ValueError(
            "expected two costs, such as `{false_positive: 1, false_negative: 5}`, or a precision, such as "
            "`{precision: 0.8}`; without `cut_off`, the cut-off with the best F1 is chosen"
        )


class Behaviour(Spec):
    """What the model has to answer when something about real rows is changed."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """The expectation in words, such as `a longer tenure does not raise the risk`."""
    set: Annotated[dict[str, str], Field(min_length=1)]
    """Raw column to the SQL expression, over the row's own columns, that gives its new value."""
    where: str | None = None
    """An SQL condition for the rows to change; by default all."""
    expect: Literal["unchanged", "does_not_rise", "does_not_fall"]
    """`unchanged` holds for every row; the others hold on average."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """In probability of the positive class, or in units of the target (regression)."""


class Acceptance(Spec):
    """What the registered model must keep to when it is loaded in a process of its own."""

    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Median time to predict one row."""
    max_latency_p99_ms: Annotated[float, Field(gt=0)] | None = None
    """99th percentile of the time to predict one row."""
    batch_rows: Annotated[int, Field(ge=2)] = 1000
    """Rows of the batches that are timed."""
    max_batch_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Median time to predict a batch."""
    max_batch_latency_p99_ms: Annotated[float, Field(gt=0)] | None = None
    """99th percentile of the time to predict a batch."""
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak resident memory of the process that scores the test rows."""


class Registry(Spec):
    """Names in MLflow."""

    model: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=200)]
    experiment: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    description: Annotated[str, StringConstraints(max_length=5000)] = ""
