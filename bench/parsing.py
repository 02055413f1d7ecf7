"""What each further pipeline file costs Airflow at every parse."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from bench.bare_dag import Shape

CHURN = Path(__file__).parent.parent / "include" / "pipelines" / "churn.yaml"
FURTHER = 30
REPEATS = 7
GOAL = 1.5


def parse_per_pipeline() -> list[Figure]:
    """The DAGs of 31 files less the DAG of one, per further file, against as many bare DAGs of the same shape."""
    from bench.bare_dag import shape_of

    with _pipelines(1) as one, _pipelines(1 + FURTHER) as many:
        shape = shape_of(_dags(one)[0])
        value, reference = partial(_ours, one, many), partial(_bare, shape)
        value(), reference()  # warm up
        pair = alternate(value, reference, REPEATS)
    how = (
        f"(training_dags() over {1 + FURTHER} copies of churn.yaml less over 1) / {FURTHER}, against a DAG of "
        f"{len(shape.tasks)} plain BaseOperators with the same groups, edges and form; median of {REPEATS} pairs"
    )
    return [Figure("parse_per_pipeline", pair.value, pair.reference, GOAL, "lower", "CPU ms per pipeline", how)]


def _ours(one: Path, many: Path) -> float:
    return 1000 * (cpu_seconds(partial(_dags, many)) - cpu_seconds(partial(_dags, one))) / FURTHER


def _bare(shape: Shape) -> float:
    from bench.bare_dag import bare_dag

    return 1000 * cpu_seconds(lambda: [bare_dag(f"bare_{number}", shape) for number in range(FURTHER)]) / FURTHER


def _dags(folder: Path) -> list[DAG]:
    """The DAGs as `dags/training.py` makes them; raises TrainerError if one is broken."""
    from include.flows.training import training_dags

    before = os.environ.get("PIPELINES_FOLDER")
    os.environ["PIPELINES_FOLDER"] = str(folder)
    try:
        dags = list(training_dags())
    finally:
        _put_back(before)
    broken = [dag.doc_md for dag in dags if "broken" in dag.tags]
    if broken:
        raise TrainerError(f"{len(broken)} of {len(dags)} pipelines are broken, such as: {broken[0]}")
    return dags


def _put_back(folder: str | None) -> None:
    if folder is None:
        del os.environ["PIPELINES_FOLDER"]
    else:
        os.environ["PIPELINES_FOLDER"] = folder


@contextmanager
def _pipelines(count: int) -> Iterator[Path]:
    """A folder of copies of the churn pipeline, each with a name of its own."""
    text = CHURN.read_text(encoding="utf-8")
    if text.count("\nname: churn\n") != 1:
        raise TrainerError(f"{CHURN}: no line `name: churn` to give each copy its own name")
    with TemporaryDirectory(prefix="bench-pipelines-") as folder:
        for number in range(count):
            named = text.replace("\nname: churn\n", f"\nname: churn_{number}\n")
            Path(folder, f"churn_{number}.yaml").write_text(named, encoding="utf-8")
        yield Path(folder)
