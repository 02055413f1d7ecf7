"""What became of each deployment of a model's versions, kept as tags of the model."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from trainer.registry.history import LONGEST_REASON

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEPLOYMENT_TAG = "trainer.deployment."


class Deployed(BaseModel, frozen=True, extra="forbid"):
    """A deployment that has come to its end."""

    outcome: Literal["released", "taken back"]
    version: str
    before: str
    """The version that was in service; empty: none was."""
    target: str
    by: str
    """The run folder."""
    why: str = ""
    at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    """ISO 8601, UTC."""

    def is_same(self, other: Deployed) -> bool:
        """Return True if this is another try of the same end of the same run."""
        return (self.outcome, self.version, self.by) == (other.outcome, other.version, other.by)


def record_deployment(client: MlflowClient, model: str, deployed: Deployed) -> None:
    """Record how a deployment ends, before its last change; what a killed try has recorded is there already."""
    if any(deployed.is_same(one) for one in recorded_deployments(client, model)):
        return
    short = deployed.model_copy(update={"why": deployed.why[:LONGEST_REASON]})
    name = f"{DEPLOYMENT_TAG}{deployed.at.removesuffix('+00:00')}.{uuid.uuid4().hex[:8]}"
    client.set_registered_model_tag(model, name, short.model_dump_json())


def recorded_deployments(client: MlflowClient, model: str) -> list[Deployed]:
    """Return the recorded deployments of a model, oldest first."""
    tags = client.get_registered_model(model).tags
    return [Deployed.model_validate_json(tags[name]) for name in sorted(tags) if name.startswith(DEPLOYMENT_TAG)]
