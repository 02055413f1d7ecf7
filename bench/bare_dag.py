"""A DAG of another's shape and nothing more: the least that Airflow takes for so many tasks and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Param, TaskGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

START_DATE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """What of a DAG its bare counterpart has as well."""

    schedule: Any
    tasks: tuple[tuple[str, str], ...]
    """Each task's name within its group, and the group; empty: none."""
    edges: tuple[tuple[int, int], ...]
    """Positions in `tasks`: upstream, downstream."""
    form: Mapping[str, tuple[Any, str | None, Mapping[str, Any]]]
    """By parameter: default, description and JSON schema."""


def shape_of(dag: DAG) -> Shape:
    """The shape of a DAG whose task groups are not nested."""
    position = {task.task_id: at for at, task in enumerate(dag.tasks)}
    groups = [(task.task_group.group_id or "" if task.task_group else "") for task in dag.tasks]
    names = [task.task_id.removeprefix(f"{group}.") for task, group in zip(dag.tasks, groups, strict=True)]
    edges = [(position[task.task_id], position[after]) for task in dag.tasks for after in task.downstream_task_ids]
    form = {name: dag.params.get_param(name) for name in dag.params}
    return Shape(
        schedule=dag.schedule,
        tasks=tuple(zip(names, groups, strict=True)),
        edges=tuple(sorted(edges)),
        form={name: (param.value, param.description, param.schema) for name, param in form.items()},
    )


def bare_dag(name: str, shape: Shape) -> DAG:
    """A DAG of the shape whose tasks are plain `BaseOperator`s without arguments."""
    form = {key: Param(default, text, **schema) for key, (default, text, schema) in shape.form.items()}
    with DAG(dag_id=name, schedule=shape.schedule, start_date=START_DATE, catchup=False, params=form) as dag:
        groups = {group: TaskGroup(group) for group in dict.fromkeys(group for _, group in shape.tasks) if group}
        tasks = [BaseOperator(task_id=task, task_group=groups.get(group)) for task, group in shape.tasks]
        for before, after in shape.edges:
            tasks[before] >> tasks[after]
    return dag
