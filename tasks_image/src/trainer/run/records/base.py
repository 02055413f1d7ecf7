"""The base of all records, and the record of `start`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """What every step says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float = 0.0
    """Time inside the step's `run()`."""
    finished_at: str = ""
    """ISO 8601, UTC."""
    cores: float | None = None
    """CPU cores that were kept for the step, on all its nodes; None in results of earlier releases."""
    gpus: int = 0
    """GPUs that were kept for the step, on all its nodes."""
    cost_usd: float | None = None
    """What `seconds` of these cores and GPUs cost; None where it is not counted. Earlier tries are not part of it."""
    cost_gpu_usd: float | None = None
    """What the GPUs have in that."""
    made_from: dict[str, str] = {}
    """The records that the step read: the path of each one's step in the run folder, and its SHA-256."""


class AnyResult(Result):
    """What all results share, of whatever step."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Failure(BaseModel):
    """Why a step failed when it ran last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    algorithm: str = ""
    worker: int = 0
    error: str
    message: str
    exit_code: int


class StartResult(Result):
    """The run, and what it is about to read."""

    started_at: str
    """ISO 8601, UTC."""
    run_id: str
    """MLflow's parent run."""
    experiment_id: str
    airflow_run_id: str
    git_commit: str
    """Of the pipeline's code repository where it has one, else of the checkout that the trainer ran from."""
    code_repository: str = ""
    image: str
    source: str
    sample: bool
