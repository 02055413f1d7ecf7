"""What surrounds a step: the one place in this package that reads environment variables."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import ConfigurationError


class Environment(BaseModel):
    """The environment variables a step understands: `TRAINER_` and the field's name, unless one says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tracking_uri: Annotated[str, Field(min_length=1)]
    """`MLFLOW_TRACKING_URI`: MLflow's server, or a database for a single machine."""
    artifact_location: str = ""
    """Where artifacts of new experiments go; empty: where the MLflow server says."""
    study_storage: str = ""
    """Where Optuna keeps its studies: `journal:///folder`, or the address of a database."""
    data_store: str = ""
    """What a pipeline's relative addresses are relative to."""
    samples: bool = False
    """Whether a built-in sample may stand in for data that is not there."""
    pipeline: str = ""
    """The pipeline's YAML, for the step `start`."""
    airflow_run_id: str = ""
    git_commit: str = ""
    image: str = ""
    log_format: Literal["text", "json"] = "text"


def read_environment() -> Environment:
    """The environment of this process; raises ConfigurationError naming the variable that is missing or wrong."""
    names = {field: variable_name(field) for field in Environment.model_fields}
    found = {field: os.environ[name] for field, name in names.items() if os.environ.get(name)}
    try:
        return Environment.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(f"{names[str(detail['loc'][0])]}: {detail['msg'].lower()}" for detail in error.errors())
        raise ConfigurationError(f"environment variables: {wrong}; `source .airflow/env` sets them all") from error


def variable_name(field: str) -> str:
    """The environment variable behind a field of Environment."""
    return "MLFLOW_TRACKING_URI" if field == "tracking_uri" else f"TRAINER_{field.upper()}"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
