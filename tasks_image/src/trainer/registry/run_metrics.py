"""Metrics of a parent run that dashboards read: its gates, and the drift of each column."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.registry.tracking import metric_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.decision import GateResult
    from trainer.run.records import DriftResult


def gate_metrics(gates: Sequence[GateResult]) -> dict[str, float]:
    """Return `gate/NAME/value`, `gate/NAME/limit` and `gate/NAME/passed` (1 or 0) for each gate.

    A comparison with the rule `not_worse` has `gate/NAME/bound` as well, and minus the margin as its limit.
    A gate without a value, whose metric is missing, has no first entry.
    """
    names = metric_names(f"slice {gate.name}" if gate.kind == "slice" else gate.name for gate in gates)
    found: dict[str, float] = {}
    for name, gate in zip(names, gates, strict=True):
        if gate.value is not None:
            found[f"gate/{name}/value"] = gate.value
        found[f"gate/{name}/limit"] = gate.limit
        if gate.bound is not None:
            found[f"gate/{name}/bound"] = gate.bound
        found[f"gate/{name}/passed"] = float(gate.verdict == "passed")
    return found


def drift_metrics(drift: DriftResult) -> dict[str, float]:
    """Return `drift/COLUMN` for each column, and `drift_share`, the share of columns that drifted.

    A column's metric is its largest statistic relative to that statistic's threshold: above 1 it has drifted. Without
    a production version nothing was compared, and there are no metrics.
    """
    if drift.status == "no_reference":
        return {}
    columns = [*drift.columns, *([drift.target] if drift.target else [])]
    names = metric_names(column.column for column in columns)
    ratios = [
        max((_ratio(value, column.thresholds[name]) for name, value in column.statistics.items()), default=0.0)
        for column in columns
    ]
    return {**{f"drift/{name}": ratio for name, ratio in zip(names, ratios, strict=True)}, "drift_share": drift.share}


def _ratio(value: float, threshold: float) -> float:
    if threshold == 0:  # of a column that has become empty
        return math.inf if value > 0 else 0.0
    return value / threshold
