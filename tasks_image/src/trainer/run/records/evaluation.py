"""Records of the steps that judge and explain the challenger."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from trainer.run.records.base import Result


class Compared(BaseModel):
    """Challenger against production, or against the anchor as `production`, on the same rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    challenger: float
    production: float
    gain: float
    """Above 0 where the challenger is better."""
    lower: float
    upper: float
    rows: int
    rows_left_out: int
    """Test rows that production was trained or tuned on."""
    bound: float | None = None
    """The gain's one-sided lower bound; only with the rule `not_worse`."""
    bound_confidence: float | None = None


class Candidate(BaseModel):
    """One algorithm's line in the comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: str
    validation: float
    """Figure of the tuning metric on the validation rows."""
    cv_mean: float | None
    cv_std: float | None
    seconds: float


class Segment(BaseModel):
    """How the challenger does on one segment of the test rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    segment: str
    rows: int
    """Test rows; 0 where a segment that has to be there is missing."""
    metrics: dict[str, float]
    """Those that are defined on these rows; without one of the classes, areas are not."""
    production_metrics: dict[str, float] = {}
    comparison: Compared | None = None
    """Against production on the segment's rows that neither has seen, where the slice's gate asks for it."""
    not_compared: str = ""
    """Why there is no comparison although the gate asks for one and there is a production."""
    anchor_comparison: Compared | None = None
    """Against the anchor, with the rule `not_worse`; None if production is the anchor, and without `comparison`."""


class ReliabilityBin(BaseModel):
    """Test rows with a probability in one range: what was predicted, and what came true."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lower: float
    upper: float
    rows: int
    predicted: float
    """Mean probability."""
    observed: float
    """Share of positive rows."""


class Behaved(BaseModel):
    """What the challenger's answers did when real rows were changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    expect: Literal["unchanged", "does_not_rise", "does_not_fall"]
    rows: int
    """Validation rows that were changed; 0 is no evidence, and fails."""
    mean_change: float
    largest_change: float
    """Of a single row, as an absolute value."""
    tolerance: float


class EvaluateResult(Result):
    """The winner, and how it does on rows that nothing was fitted or chosen on."""

    winner: str
    candidates: list[Candidate]
    model_uri: str
    model_id: str
    run_id: str
    test_rows: int
    metrics: dict[str, float]
    slices: list[Segment] = []
    reliability: list[ReliabilityBin] = []
    """Deciles of the probability (binary classification)."""
    behaviour: list[Behaved] = []
    model_digest: str = ""
    """SHA-256 of the files of the model that was judged."""
    predictions: str = ""
    """The test rows' keys, truth and answers, production's beside the challenger's where there is a production."""
    production_version: str = ""
    production_metrics: dict[str, float] = {}
    comparison: Compared | None = None
    rows_new_to_production: int | None = None
    """Test rows that neither production nor the anchor has learned from; None where there is no production, or in
    earlier releases."""
    anchor_version: str = ""
    """The version that margins count from; empty unless the rule is `not_worse` and there is a production."""
    anchor_missing: str = ""
    """The reason for which there is no anchor although the rule is `not_worse`."""
    anchor_comparison: Compared | None = None
    aliases: dict[str, str] = {}
    """The registered model's aliases at the time, and the version that each one names."""
    rollback: str = ""
    """The rollback that held at the time, as a sentence; empty: none did."""


class Importance(BaseModel):
    """How much one input column counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    value: float
    """Mean absolute SHAP value, or how much worse the metric gets when the column is shuffled."""
    share: float
    """Of the values of all columns; those below 0 count as 0."""


class Plot(BaseModel):
    """A picture of the challenger: `{name}.png`, and `{name}.svg` for pages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    alt: str
    """What the picture shows, in words and figures."""
    file: str


class ExplainResult(Result):
    """What the challenger's answers rest on, and what they look like."""

    method: Literal["shap", "permutation", "saliency", "loss"]
    why: str = ""
    """Why it is permutation and not SHAP."""
    unit: str
    """What the values of `importance` are in."""
    rows: int
    """Validation rows that were explained."""
    importance: list[Importance]
    """The first columns; `importance.json` has all."""
    plots: list[Plot]
    files: list[str] = []
    """Addresses of further files for a person."""
