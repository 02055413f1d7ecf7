"""The part of a pipeline that says how a promoted version gets to answer requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainer.pipeline.spec import Spec


class DeploymentLimits(Spec):
    """What a new version has to keep to while it has a part of the traffic."""

    error_rate: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of its requests that it fails to answer."""
    latency_ratio: Annotated[float, Field(gt=0)] = 1.5
    """Its 95th percentile of time to answer, divided by that of the version in service at the same time."""
    latency_slack_ms: Annotated[float, Field(ge=0)] = 20
    """A version that is slower by no more than this passes whatever the ratio, which says little of short times."""
    latency_ms: Annotated[float, Field(gt=0)] = 500
    """Median time to answer a request with one row, before it gets traffic."""
    answers: Annotated[float, Field(gt=0)] = 0.1
    """Distance between its answers and those of the version in service to requests drawn alike: Wasserstein's distance
    of probabilities, or of numbers in standard deviations; the Jensen-Shannon distance of classes."""


VersionAddress = Annotated[
    str, Field(pattern=r"^models:/[^/@\s]+(/[1-9][0-9]{0,9}|@[A-Za-z0-9_-]+)$", examples=["models:/churn-predictor/3"])
]


class ExperimentPlan(Spec):
    """An experiment (A/B test) that `trainer experiment create --config FILE` starts."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    """Each experiment has a name of its own."""
    model_a: VersionAddress
    """The version in service: `models:/NAME/3` or `models:/NAME@production`."""
    model_b: VersionAddress
    """Another version of the same registered model."""
    traffic_split: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the units that get `model_b`."""
    duration_days: Annotated[float, Field(gt=0, le=366)]
    """How long it is planned to run; it runs until it is ended."""


class Deployment(Spec):
    """Deployment: the DAG `<name>_deployment`, which runs after each promotion to production, and by hand."""

    version: Literal["production"] | Annotated[int, Field(ge=1)] = "production"
    """`production`: the version that the alias names when a run starts. A number: this version."""
    canary_percent: Annotated[float, Field(gt=0, lt=100)] = 10
    """Share of the traffic that a new version gets while it is watched."""
    canary_minutes: Annotated[float, Field(gt=0, le=10080)] = 30
    """How long it is watched before it gets all traffic."""
    min_requests: Annotated[int, Field(ge=1)] = 100
    """Requests that it has to have answered in that time; with fewer it is taken back, since nothing is known of it."""
    smoke_rows: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Real rows that it has to answer, before it gets traffic, as the registered model does."""
    limits: DeploymentLimits = DeploymentLimits()
    experiment: ExperimentPlan | None = None
    """An experiment with two versions behind the router; nothing starts it by itself."""
