"""What a step costs beyond its command: as a pod, beside a child process."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from bench.cluster import environment_with_cluster, life_of_pod
from bench.commands import PROJECT
from bench.figure import Figure
from bench.timing import alternate
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.cluster import Watch

STEP = "evaluate"
LINES, SLEPT = 20, 0.5
REPEATS = 11
GOAL = 20.0


def pod_step_overhead() -> list[Figure]:
    """What the operator of pods adds before a pod is there and after it has ended, beside the local runtime."""
    from airflow.sdk.exceptions import AirflowException

    try:
        with environment_with_cluster() as (folder, watch), _same_command(), _silence():
            run = _run_folder(folder)
            value, reference = partial(_as_pod, run, watch), partial(_as_child, run)
            value(), reference()  # warm up
            pair = alternate(value, reference, REPEATS)
    except AirflowException as error:
        raise TrainerError(f"a step did not come to its end: {type(error).__name__}: {error}") from error
    how = (
        f"PodStepOperator.execute() less the pod's life, from its creation to its success as a watch hears of them, "
        f"against LocalStepOperator.execute() less the {SLEPT:g} s that the command sleeps, after {LINES} lines of "
        f"output; the API server for tests is another process; median of {REPEATS} pairs"
    )
    return [Figure("pod_step_overhead", pair.value, pair.reference, GOAL, "lower", "ms per step", how)]


def _as_pod(run: str, watch: Watch) -> float:
    from include.environment.settings import load_settings
    from include.operators.pods.operator import PodStepOperator
    from include.operators.pods.placement import placement_of
    from trainer.pipeline import load_pipeline

    churn = load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml")
    placement = placement_of(churn, load_settings().kubernetes, STEP)
    named = {"task_id": STEP, "pipeline_name": churn.name, "team": churn.owner}
    whole = _seconds(PodStepOperator(step=STEP, run=run, placement=placement, **named))
    return 1000 * (whole - life_of_pod(watch))


def _as_child(run: str) -> float:
    from include.operators.local import LocalStepOperator

    return 1000 * (_seconds(LocalStepOperator(task_id=STEP, step=STEP, run=run)) - SLEPT)


def _seconds(operator: Any) -> float:
    """Wall seconds of an operator that is called as Airflow does, for the first try of a task."""
    from airflow.sdk.bases.operator import ExecutorSafeguard

    context = {
        "run_id": "bench",
        "dag": SimpleNamespace(dag_id="bench", parent_dag=None),
        "ti": SimpleNamespace(dag_id="bench", task_id=STEP, map_index=-1, try_number=1, xcom_push=lambda **_: None),
        "task_state_store": SimpleNamespace(get=lambda _: None, set=lambda *_: None),
    }
    by_airflow = {f"{type(operator).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
    began = time.perf_counter()
    operator.execute(context, **by_airflow)
    return time.perf_counter() - began


def _run_folder(folder: Path) -> str:
    """The address of a run in which the step is done, since the command does not do it."""
    from trainer.run import RunFolder
    from trainer.run.records import Result

    run = RunFolder.open(f"file://{folder}/runs/churn/bench")
    run.at(STEP).finish(Result())
    return run.uri


@contextmanager
def _same_command() -> Iterator[None]:
    """Both operators run what takes a known time instead of the step."""
    from include.operators.base import StepOperator

    with patch.object(StepOperator, "command", ["sh", "-c", f"seq {LINES}; sleep {SLEPT}"]):
        yield


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps the steps' output out of the table's way."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield
