"""The clients that the tools use, one for each set of settings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from include.agents.airflow_api import AirflowApi
from include.agents.mlflow_api import MlflowApi
from include.agents.settings import read_settings

if TYPE_CHECKING:
    from include.agents.settings import AgentSettings


def airflow() -> AirflowApi:
    """Return the client of the Airflow that the settings name. Raises ToolError."""
    return _airflow(read_settings())


def mlflow() -> MlflowApi:
    """Return the client of the MLflow that the settings name. Raises ToolError."""
    return _mlflow(read_settings())


@lru_cache(maxsize=4)
def _airflow(settings: AgentSettings) -> AirflowApi:
    return AirflowApi(settings)


@lru_cache(maxsize=4)
def _mlflow(settings: AgentSettings) -> MlflowApi:
    return MlflowApi(settings)
