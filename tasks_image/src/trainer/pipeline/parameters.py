"""What a person may change for one run, and its effect on the pipeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainer.pipeline.spec import Spec

PromoteTo = Literal["production", "staging", "none"]

CLEARABLE = {"batch_size"}
"""Parameters for which an empty field says something; any other that is empty keeps the pipeline's own value."""


class RunParameters(Spec):
    """The parameters of one run; what is left out keeps the pipeline's own value."""

    algorithms: Annotated[list[str], Field(min_length=1)] | None = None
    """The algorithms to try; the others are skipped."""
    tuning: bool | None = None
    """Search hyperparameters, or train with the pipeline's `params` as they stand."""
    trials: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Optuna trials per algorithm."""
    sample_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of rows to use, class proportions kept: for a quick look, or when memory is short."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Rows per batch when models are scored, all at once by default; of images those that a network learns at once."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How often a network sees all training rows."""
    lr: Annotated[float, Field(gt=0, le=1)] | None = None
    """The highest learning rate of a network."""
    gpu: Annotated[int, Field(ge=0, le=64)] | None = None
    """GPUs that a network is trained on, in `train` and `refit`; 0: on processors."""
    promote_to: PromoteTo = "production"
    """How far a model that passes may go; `none` only registers it."""
    answer: Literal["promote", "keep"] | None = None
    """The answer to a promotion that a person has to approve, where no scheduler can ask one; ignored under one."""
    note: Annotated[str, Field(max_length=1000)] = ""
    """Why this run was started; kept with the run."""
    triggered_by: Annotated[str, Field(max_length=1000)] = ""
    """The reason for which monitoring has started this run; not for pipelines' files."""
