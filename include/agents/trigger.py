"""Starting a training run of a pipeline."""

from __future__ import annotations

from typing import Any

from include.agents.answers import Answer
from include.agents.clients import airflow
from include.agents.errors import NotFoundError, ToolError
from include.agents.names import (
    TRAINING,
    Job,
    one_of,
    parse_boolean,
    parse_integer,
    parse_number,
    parse_pipeline,
    shown,
)
from include.agents.pipelines import list_pipelines

NOTE = "asked for by an agent tool"
ASK_START = "approve_start"
"""The task that asks a person, in pipelines with `approval.start`."""
Given = int | float | str | bool | None


class TriggeredJob(Answer):
    """A training run that was started, or waits for a person's approval."""

    job_name: str
    """`<dag_id>/<run_id>`, as the other tools take it."""
    state: str
    parameters: dict[str, Any]
    """The parameters that the run was given; the rest is as the pipeline says."""
    dropped: list[str]
    """Arguments at their default that this pipeline does not take."""
    waits_for_approval: bool
    """True: nothing is spent until a person answers at `address`."""
    address: str
    """Airflow's page of the run, or of the question."""
    message: str


def trigger_training_job(
    model_type: str = "mnist",
    epochs: int | str | None = 3,
    lr: float | str | None = 0.001,
    batch_size: int | str | None = 64,
    gpu_enabled: bool | str | None = True,  # noqa: FBT001, FBT002  (the signature is given)
) -> TriggeredJob:
    """Start a training run of a pipeline through Airflow's REST API, with the user's own token.

    Numbers may be given as strings, and None leaves a value to the pipeline. A value equal to its default is dropped
    if the pipeline does not take it; any other is refused.

    :param model_type: the name of any pipeline, as `list_pipelines` gives
    :param epochs: how often a network sees all training rows
    :param lr: the highest learning rate, above 0 and at most 1
    :param batch_size: rows that a network learns at once
    :param gpu_enabled: False: on processors; True: as the pipeline says
    Raises ToolError if there is no such pipeline, if it is paused, or for a value that its form does not allow.
    """
    given = _parsed(epochs, lr, batch_size, gpu_enabled)
    api, dag_id = airflow(), f"{parse_pipeline(model_type)}{TRAINING}"
    try:
        dag = api.dag(dag_id)
    except NotFoundError:
        known = [one.name for one in list_pipelines().pipelines]
        name = dag_id.removesuffix(TRAINING)
        raise NotFoundError(f"model_type: there is no pipeline {name!r}{one_of(known, name)}") from None
    if dag.get("is_paused"):
        raise ToolError(
            f"{dag_id} is paused, so no run would begin; unpause it in Airflow: {api.address}/dags/{dag_id}"
        )
    parameters, dropped = _fitting(dag_id, dag.get("params") or {}, given)
    asks = any(task.get("task_id") == ASK_START for task in api.get(f"/dags/{dag_id}/tasks").get("tasks", []))
    conf = {**parameters, **({"note": NOTE} if "note" in (dag.get("params") or {}) else {})}
    run = api.start(dag_id, conf, NOTE)
    return _answer(api.address, Job(dag_id, str(run["dag_run_id"])), str(run["state"]), parameters, dropped, asks=asks)


def _answer(
    address: str, job: Job, state: str, parameters: dict[str, Any], dropped: list[str], *, asks: bool
) -> TriggeredJob:
    page = question_page(address, job, ASK_START) if asks else f"{address}{job.page}"
    waits = f"{job.name} is started and waits until a person approves it: {page}"
    return TriggeredJob(
        job_name=job.name, state=state, parameters=parameters, dropped=dropped, waits_for_approval=asks, address=page,
        message=waits if asks else f"{job.name} is {state}; see get_training_status",
    )  # fmt: skip


def question_page(address: str, job: Job, task_id: str) -> str:
    """Return the address of Airflow's page on which a person answers a question."""
    return f"{address}{job.page}/tasks/{task_id}/required_actions?map_index=-1"


def _parsed(epochs: Given, lr: Given, batch_size: Given, gpu_enabled: Given) -> dict[str, tuple[Any, bool]]:
    """Return the values by name of the argument, each with True if it is the default."""
    checked = {
        "epochs": None if epochs is None else parse_integer("epochs", epochs),
        "lr": None if lr is None else parse_number("lr", lr),
        "batch_size": None if batch_size is None else parse_integer("batch_size", batch_size),
        "gpu_enabled": None if gpu_enabled is None else parse_boolean("gpu_enabled", gpu_enabled),
    }
    defaults = {"epochs": 3, "lr": 0.001, "batch_size": 64, "gpu_enabled": True}
    return {name: (value, value == defaults[name]) for name, value in checked.items() if value is not None}


def _fitting(dag_id: str, form: dict[str, Any], given: dict[str, tuple[Any, bool]]) -> tuple[dict[str, Any], list[str]]:
    """Return the run parameters of the form, and the arguments that were dropped. Raises ToolError."""
    trains_network, parameters, dropped = "epochs" in form, dict[str, Any](), list[str]()
    for name, (value, is_default) in given.items():
        field = "gpu" if name == "gpu_enabled" else name
        if field not in form or (is_default and not trains_network):  # a table's batch size is that of scoring
            if not is_default:
                takes = ", ".join(sorted({"epochs", "lr", "batch_size", "gpu"} & {*form})) or "none of these"
                raise ToolError(
                    f"{name}: {dag_id.removesuffix(TRAINING)} does not take it (found {value!r}); it takes {takes}"
                )
            dropped.append(name)
        elif name != "gpu_enabled":
            parameters[field] = _within(name, value, form[field])
        elif not value:
            parameters[field] = 0
    return parameters, dropped


def _within(name: str, value: float, field: Any) -> float:
    """Return a value that the form's limits allow. Raises ToolError."""
    schema = field.get("schema", {}) if isinstance(field, dict) else {}
    least, above, most = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    too_low = (least is not None and value < least) or (above is not None and value <= above)
    if not too_low and (most is None or value <= most):
        return value
    lower = f"from {least:g} " if least is not None else f"above {above:g} " if above is not None else ""
    upper = f"to {most:g}" if most is not None else ""
    raise ToolError(f"{name}: expected a number {lower}{upper}, found {shown(value)}")
