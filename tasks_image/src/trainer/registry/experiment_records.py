"""Experiments with a model's versions, recorded as tags of the model: for its history, and for what must be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

EXPERIMENT_TAG = "trainer.experiment."


class RecordedExperiment(BaseModel, frozen=True, extra="forbid"):
    """An experiment as the history shows it."""

    name: str
    version_a: str
    version_b: str
    traffic_split: float
    """The share of version B."""
    started_at: str
    """ISO 8601, UTC."""
    by: str
    """The user and the machine that started it."""
    ended_at: str = ""
    """ISO 8601, UTC; empty: it runs."""
    ended_by: str = ""
    result: str = ""
    """As a sentence."""


def record_experiment(client: MlflowClient, model: str, experiment: RecordedExperiment) -> None:
    """Record an experiment that is about to start, or has ended; its earlier record is replaced."""
    client.set_registered_model_tag(model, f"{EXPERIMENT_TAG}{experiment.name}", experiment.model_dump_json())


def recorded_experiments(client: MlflowClient, model: str) -> list[RecordedExperiment]:
    """Return the recorded experiments of a model, oldest first."""
    return _read(client.get_registered_model(model).tags)


def versions_in_experiments(model: RegisteredModel) -> dict[str, str]:
    """Return the versions of a model that running experiments need, and why."""
    return {
        version: f"the experiment {one.name} runs"
        for one in _read(model.tags)
        if not one.ended_at
        for version in (one.version_a, one.version_b)
    }


def _read(tags: Mapping[str, str]) -> list[RecordedExperiment]:
    found = [
        RecordedExperiment.model_validate_json(text) for name, text in tags.items() if name.startswith(EXPERIMENT_TAG)
    ]
    return sorted(found, key=lambda one: one.started_at)
