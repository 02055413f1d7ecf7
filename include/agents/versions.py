"""The versions of a registered model, and where its aliases stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.agents.answers import Answer, timestamp
from include.agents.clients import mlflow
from include.agents.errors import NotFoundError
from include.agents.mlflow_api import pairs, quoted
from include.agents.names import one_of, parse_model

if TYPE_CHECKING:
    from include.agents.mlflow_api import MlflowApi

PIPELINE_TAG = "trainer.pipeline"
ROLLBACK_TAG = "trainer.rollback"
MOST = 200
"""Versions of an answer, and of a page."""


class Version(Answer):
    """A registered version."""

    version: str
    aliases: list[str]
    created_at: str
    """ISO 8601, UTC."""
    run_id: str
    """Its run in MLflow."""
    pipeline: str
    algorithm: str
    approval: str
    """The answer of a person to its promotion; empty if nobody was asked."""


class Versions(Answer):
    """The versions of a model, newest first."""

    model: str
    aliases: dict[str, str]
    """Alias to version."""
    rollback: str
    """The rollback that holds, during which no run promotes; empty if none does."""
    versions: list[Version]
    message: str = ""


def list_versions(model: str) -> Versions:
    """Return the versions of a registered model, newest first, its aliases, and a rollback that holds.

    :param model: the name of the registered model
    Raises ToolError if there is no such model, or if MLflow does not answer.
    """
    api, name = mlflow(), parse_model(model)
    registered = registered_model(api, name)
    aliases = {str(one["alias"]): str(one["version"]) for one in registered.get("aliases") or []}
    found = list(
        api.pages("GET", "model-versions/search", "model_versions", filter=f"name = {quoted(name)}", max_results=MOST)
    )
    ordered = sorted(found, key=lambda one: int(one["version"]), reverse=True)
    more = len(ordered) - MOST
    return Versions(
        model=name,
        aliases=aliases,
        rollback=_rollback(pairs(registered.get("tags"))),
        versions=[_version(one, aliases) for one in ordered[:MOST]],
        message=f"{more} older versions are not shown" if more > 0 else "",
    )


def registered_model(api: MlflowApi, name: str) -> dict[str, Any]:
    """Return a registered model. Raises NotFoundError that names the others."""
    try:
        return dict(api.get("registered-models/get", name=name)["registered_model"])
    except NotFoundError:
        known = [
            str(one["name"]) for one in api.get("registered-models/search", max_results=50).get("registered_models", [])
        ]
        raise NotFoundError(f"model: MLflow has no registered model {name!r}{one_of(known, name)}") from None


def _version(found: dict[str, Any], aliases: dict[str, str]) -> Version:
    tags, number = pairs(found.get("tags")), str(found["version"])
    return Version(
        version=number,
        aliases=sorted(alias for alias, version in aliases.items() if version == number),
        created_at=timestamp(found.get("creation_timestamp")),
        run_id=str(found.get("run_id", "")),
        pipeline=str(tags.get(PIPELINE_TAG, "")),
        algorithm=str(tags.get("trainer.algorithm", "")),
        approval=str(tags.get("trainer.approval", "")),
    )


def _rollback(tags: dict[str, Any]) -> str:
    if not (text := tags.get(ROLLBACK_TAG)):
        return ""
    held = json.loads(text)
    return f"from version {held['left']} to {held['to']} since {held['at']}"
