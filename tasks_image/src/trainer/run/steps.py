"""The steps in their order."""

from __future__ import annotations

STEPS = (
    "start",
    "ingest",
    "validate",
    "detect_drift",
    "engineer_features",
    "tune",
    "train",
    "evaluate",
    "explain",
    "decide",
    "register",
    "accept",
    "promote",
    "report",
)
PER_ALGORITHM = frozenset({"tune", "train"})
"""Steps that run once for each algorithm."""


def parts_of_run(algorithms: list[str]) -> list[tuple[str, str]]:
    """Every step of a run, with its algorithm or an empty text, in order."""
    return [(step, name) for step in STEPS for name in (algorithms if step in PER_ALGORITHM else [""])]
