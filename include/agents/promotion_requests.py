"""Requests to move the alias `production`: a person answers them in Airflow, and only then anything moves."""

from __future__ import annotations

from typing import Literal

from include.agents.answers import Answer
from include.agents.clients import airflow, mlflow
from include.agents.errors import NotFoundError, ToolError
from include.agents.mlflow_api import pairs
from include.agents.names import Job, is_pipeline, parse_model, parse_version, shown
from include.agents.trigger import question_page
from include.agents.versions import PIPELINE_TAG, registered_model

ASK = "approve_request"
"""The task that asks."""
REQUESTS = "_requests"
PRODUCTION = "production"
LONGEST_REASON = 1000
NOTE = "asked for by an agent tool"


class Request(Answer):
    """A question to a person, in Airflow. Nothing has moved."""

    job_name: str
    """The run that asks, for `get_training_status`."""
    model: str
    version: str
    move: str
    """`promotion` or `rollback`."""
    address: str
    """Airflow's page on which a person answers."""
    message: str


def request_promotion(model: str, version: int | str, reason: str = "") -> Request:
    """Ask a person whether a registered version becomes production. It moves nothing by itself.

    Only a version that its run decided to promote, and whose comparison was with today's production, moves after an
    approval.

    :param model: the name of the registered model
    :param version: the version that is to become production
    :param reason: shown to the person who is asked
    Raises ToolError if there is no such version, or if it is production already.
    """
    return _request("promotion", model, version, reason)


def request_rollback(model: str, version: int | str, reason: str = "") -> Request:
    """Ask a person whether production returns to the version before. It moves nothing by itself.

    :param model: the name of the registered model
    :param version: what production is now; if it is another version, the request is refused
    :param reason: shown to the person who is asked
    Raises ToolError if production is another version.
    """
    return _request("rollback", model, version, reason)


def _request(move: Literal["promotion", "rollback"], model: str, version: int | str, reason: str) -> Request:
    name, number = parse_model(model), parse_version(version)
    why = " ".join(str(reason or "").split())
    if len(why) > LONGEST_REASON:
        raise ToolError(f"reason: at most {LONGEST_REASON} characters are allowed, found {len(why)}")
    dag_id = _dag_of(name, number, move)
    api = airflow()
    try:
        if api.dag(dag_id).get("is_paused"):
            raise ToolError(
                f"{dag_id} is paused, so nobody would be asked; unpause it in Airflow: {api.address}/dags/{dag_id}"
            )
    except NotFoundError as error:
        raise ToolError(f"Airflow has no DAG {dag_id}, which asks a person about versions of {name}") from error
    conf = {"move": move, "model": name, "version": number, "reason": why, "by_agent": True}
    job = Job(dag_id, str(api.start(dag_id, conf, NOTE)["dag_run_id"]))
    page = question_page(api.address, job, ASK)
    return Request(
        job_name=job.name, model=name, version=number, move=move, address=page,
        message=f"nothing has moved: a person is asked about the {move} of {name} version {number} at {page}",
    )  # fmt: skip


def _dag_of(model: str, version: str, move: str) -> str:
    """Return the DAG that asks about a version. Raises ToolError if the move cannot be made now."""
    api = mlflow()
    registered = registered_model(api, model)
    aliases = {str(one["alias"]): str(one["version"]) for one in registered.get("aliases") or []}
    try:
        found = api.get("model-versions/get", name=model, version=version)["model_version"]
    except NotFoundError:
        raise NotFoundError(f"version: {model} has no version {version}; see list_versions") from None
    production = aliases.get(PRODUCTION, "")
    if move == "promotion" and production == version:
        raise ToolError(f"{model}: version {version} is production already")
    if move == "rollback" and production != version:
        raise ToolError(f"{model}: production is version {production or 'none'}, not {version}; nothing is asked")
    pipeline = str(pairs(found.get("tags")).get(PIPELINE_TAG, ""))
    if not is_pipeline(pipeline):
        raise ToolError(
            f"{model} version {version}: no pipeline has registered it (tag {PIPELINE_TAG}: {shown(pipeline)})"
        )
    return f"{pipeline}{REQUESTS}"
