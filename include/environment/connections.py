"""Credentials: each step gets those that it needs and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.connections import is_connection, variable_of
from trainer.errors import ConfigurationError
from trainer.run.flow import step_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.environment.settings import Settings
    from trainer.pipeline import Pipeline
    from trainer.run.flow import Login

VARIABLES: Mapping[Login, frozenset[str]] = {
    "repository": frozenset({"GIT_USERNAME", "GIT_PASSWORD"}),
    "studies": frozenset({"PGUSER", "PGPASSWORD", "TRAINER_STUDY_STORAGE"}),
    "features": frozenset({"REDIS_USERNAME", "REDIS_PASSWORD"}),
}
"""The environment variables of each login."""


def withheld_from(step: str, settings: Settings) -> frozenset[str]:
    """Return the variables that a step does not get: those of logins that only other steps need."""
    return _all_but(step_named(step).logins, settings)


def withheld_from_checkout(settings: Settings) -> frozenset[str]:
    """Return the variables that the fetching of a pipeline's own code does not get."""
    return _all_but(["repository"], settings)


def _all_but(needed: Iterable[Login], settings: Settings) -> frozenset[str]:
    """Leave a step PostgreSQL's login where MLflow's store is such a database, and no server."""
    stores = ["studies"] if settings.mlflow.tracking_uri.startswith("postgres") else []
    return frozenset().union(*(names for login, names in VARIABLES.items() if login not in {*needed, *stores}))


def connection_of(pipeline: Pipeline, step: str) -> str | None:
    """Return the name of the connection that a step needs for the place that it reads or writes."""
    uses = step_named(step).uses
    return getattr(_places(pipeline).get(uses), "connection", None) if uses else None


def _places(pipeline: Pipeline) -> dict[str, object]:
    """Return the sections of the YAML that name a place outside, by their address in it."""
    scoring = pipeline.scoring
    own = {} if scoring is None else {"scoring.source": scoring.source, "scoring.output": scoring.output}
    labels = None if pipeline.monitoring is None else pipeline.monitoring.labels
    return {"source": pipeline.source, **own, **({} if labels is None else {"monitoring.labels": labels})}


def login_of(connection: str | None) -> dict[str, str]:
    """A connection as an environment variable of a step's process.

    Raises ConfigurationError where Airflow has none of that name.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    if connection is None:
        return {}
    try:
        return {variable_of(connection): Connection.get(connection).get_uri()}
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"connection {connection!r}: Airflow has no such connection; add it (in Airflow's UI under Admin, in "
            f"`airflow_settings.yaml`, or as the variable AIRFLOW_CONN_{connection.upper()}), or name another in the "
            "pipeline's YAML"
        ) from None


def check_connection(pipeline: Pipeline, settings: Settings) -> None:
    """Raise ConfigurationError where pods are to be given a connection that no Secret holds."""
    for section, place in _places(pipeline).items():
        name = getattr(place, "connection", None)
        if name is not None and variable_of(name) not in settings.kubernetes.secrets:
            raise ConfigurationError(
                f"{section}.connection: pods get {name!r} from a Secret, and `kubernetes.secrets` has no "
                f"{variable_of(name)}; add it there by the name and key of a Secret that holds the address"
            )


def is_anothers(variable: str, connection: str | None) -> bool:
    """Whether an environment variable is a connection, and not this one."""
    return is_connection(variable) and (connection is None or variable != variable_of(connection))
