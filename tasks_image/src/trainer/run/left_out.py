"""Why a run leaves a step out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

NOT_TO_BE_REGISTERED = "the command does not ask for it (`--register-best`)"
NOT_TO_PRODUCTION = "this run does not promote to production"


def never_published(pipeline: Pipeline, feature_store: str) -> str:
    """Why no run of a pipeline gives its features to a feature store; an empty text where runs do."""
    if not feature_store:
        return "this environment names no feature store (`feature_store.address`)"
    if not pipeline.has_features:
        return "its rows have no features that could be asked for"
    if pipeline.columns.id is None:
        return "the pipeline names no `columns.id`, by which features are asked for"
    return ""
