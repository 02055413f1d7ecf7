"""The steps in their order."""

from __future__ import annotations

from typing import Final, NamedTuple

STEPS = (
    "start",
    "ingest",
    "validate",
    "detect_drift",
    "engineer_features",
    "tune_worker",
    "tune",
    "train",
    "refit",
    "evaluate",
    "explain",
    "decide",
    "refit_everything",
    "register",
    "accept",
    "promote",
    "publish_features",
    "report",
)
PER_WORKER = frozenset({"tune_worker"})
"""Steps that run once for each worker that shares an algorithm's study; with a single worker, not at all."""
PER_ALGORITHM = frozenset({*PER_WORKER, "tune", "train"})
"""Steps that run once for each algorithm."""

REFIT: Final = "refit"
"""The step whose model is judged."""
AFTER_DECISION: Final = "refit_everything"
"""A step of pipelines that say `refit: everything`."""
_PLACED_AS = {"tune_worker": "tune", AFTER_DECISION: REFIT}


def last_fit(refit: str) -> str:
    """The step whose model is registered, for what a pipeline says under `refit`."""
    return AFTER_DECISION if refit == "everything" else REFIT


def placed_as(step: str) -> str:
    """The name under which a step's resources stand in YAML: some steps get those of another one."""
    return _PLACED_AS.get(step, step)


class Part(NamedTuple):
    """A step of a run, with its algorithm or an empty text, and the number of its worker or 0."""

    step: str
    algorithm: str = ""
    worker: int = 0


def parts_of_run(algorithms: list[str], workers: int = 1, refit: str = "validation") -> list[Part]:
    """Every part of a run, in order."""
    return [
        Part(step, name, worker)
        for step in STEPS
        if step != AFTER_DECISION or last_fit(refit) == step
        for name in (algorithms if step in PER_ALGORITHM else [""])
        for worker in (_shared_by(workers) if step in PER_WORKER else [0])
    ]


def _shared_by(workers: int) -> list[int]:
    return [*range(1, workers + 1)] if workers > 1 else []
