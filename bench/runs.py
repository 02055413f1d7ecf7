"""`make run` as a whole: beside the same steps in one process, and against the limits of a laptop."""

from __future__ import annotations

import json
import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.commands import PROJECT, airflow_homes, fresh_home, timed
from bench.figure import Figure
from bench.timing import alternate
from trainer.run.ownership import RUN_ID_FILE

if TYPE_CHECKING:
    from pathlib import Path

FEW_TRIALS = '{"trials": 3}'
REPEATS = 3
GOAL = 1.5
LONGEST_RUN_SECONDS = 240.0
LARGEST_OVERHEAD = 0.10
STARTS = 7
LONGEST_START = 1.5


def run_beside_one_process() -> list[Figure]:
    """The run through Airflow, a forked process per step, against `trainer train`, both with few trials."""
    with airflow_homes() as root:
        pair = alternate(partial(_through_airflow, root), partial(_in_one_process, root), REPEATS)
    how = (
        f"`make run PARAMS='{FEW_TRIALS}'` on the built-in sample against `trainer train` with the same parameters and "
        f"promotion, each in a fresh home; median of {REPEATS} pairs"
    )
    return [Figure("run_beside_one_process", pair.value, pair.reference, GOAL, "lower", "s", how)]


def default_run() -> list[Figure]:
    """One run with the pipeline's own parameters against its two limits."""
    with airflow_homes() as root, fresh_home(root) as home:
        seconds = timed(_run_once(""), home)
        overhead = float(_summary(home)["overhead_share"])
    first = f"`make run` with the pipeline's own parameters on the built-in sample, against {LONGEST_RUN_SECONDS:g} s"
    second = f"the same run's overhead_share in summary.json, against {LARGEST_OVERHEAD:g}"
    return [
        Figure("run_seconds", seconds, LONGEST_RUN_SECONDS, 1.0, "lower", "s", first),
        Figure("overhead_share", overhead, LARGEST_OVERHEAD, 1.0, "lower", "share", second),
    ]


def step_start() -> list[Figure]:
    """Measure the process of a step that has almost nothing to do: its start and its exit."""
    with airflow_homes() as root, fresh_home(root) as home:
        timed(_run_once(FEW_TRIALS), home)
        (run,) = (home / ".runs" / "churn").glob("*/decide")
        decide = [sys.executable, "-m", "trainer", "step", "decide", "--run", run.parent.as_uri()]
        owner = {"TRAINER_AIRFLOW_RUN_ID": (run.parent / RUN_ID_FILE).read_text(encoding="utf-8")}
        timed(decide, home, owner)
        seconds = statistics.median(timed(decide, home, owner) for _ in range(STARTS))
    how = f"`trainer step decide` as a process of its own, as in a pod; median of {STARTS}, against {LONGEST_START:g} s"
    return [Figure("step_start", seconds, LONGEST_START, 1.0, "lower", "s", how)]


def _through_airflow(root: Path) -> float:
    with fresh_home(root) as home:
        return timed(_run_once(FEW_TRIALS), home)


def _in_one_process(root: Path) -> float:
    config = str(PROJECT / "include" / "pipelines" / "churn.yaml")
    with fresh_home(root) as home:
        options = ["--run", str(home / ".runs" / "churn" / "bench"), "--parameters", FEW_TRIALS]
        command = [sys.executable, "-m", "trainer", "train", "--config", config, *options, "--promote-to-production"]
        return timed(command, home)


def _run_once(parameters: str) -> list[str]:
    """What `make run` starts."""
    return [sys.executable, "-m", "include.laptop.run_once", "churn", "--parameters", parameters]


def _summary(home: Path) -> dict[str, float]:
    (file,) = (home / ".runs" / "churn").glob("*/summary.json")
    summary: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return summary
