"""`make simulate`: how often the rules decide wrongly; writes a table, exit code 1 if a figure is missed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.simulation.correlation import measure
from bench.simulation.models import POSITIVE_SHARE, PRODUCTION_AUC
from bench.simulation.plan import driftings, promotions
from bench.simulation.promotion import shipped
from bench.simulation.report import drift_tables, missed, pooled_table, promotion_table
from bench.simulation.runner import simulate
from trainer.environment import cores

if TYPE_CHECKING:
    from trainer.pipeline.judging import AgainstProduction

PROJECT = Path(__file__).parents[2]
TELCO = PROJECT / ".data" / "telco_churn" / "Telco-Customer-Churn.csv"
OUTPUT = PROJECT / "docs" / "simulation.md"
SEED = 42


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write what was found; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few trials and rows: whether it runs, not what holds")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: docs/simulation.md")
    given = parser.parse_args(arguments)
    began, rule, limits = time.monotonic(), shipped().gates.against_production, shipped().drift
    how = {"quick": given.quick, "processes": given.processes}
    drifted = simulate(driftings(quick=given.quick), given.seed, **how)
    promoted = simulate(promotions(quick=given.quick), given.seed, **how)
    complaints = missed(promoted, drifted, limits.share)
    undrifted, moved = drift_tables(drifted, limits.share)
    trials = [shares[0].trials for shares in (*promoted.values(), *drifted.values())]
    about = (
        f"Written by `make simulate` with seed {given.seed} in {(time.monotonic() - began) / 60:.0f} minutes on "
        f"{given.processes} processes: {sum(trials[: len(promoted)]):,} challengers, "
        f"{sum(trials[len(promoted) :]):,} pairs of tables. {_verdict(complaints)}"
    )
    rules = (_promotion_text(rule), _drift_text(limits.share))
    parts = ["# Simulation: how often the rules decide wrongly", about, "## Promotion", rules[0]]
    parts += [pooled_table(promoted), promotion_table(promoted), "## Drift", rules[1], undrifted, moved]
    text = "\n\n".join(parts) + "\n"
    given.output.write_text(text, encoding="utf-8")
    print(text)
    return 1 if complaints else 0


def _promotion_text(rule: AgainstProduction) -> str:
    return (
        f"Production's true ROC-AUC is {PRODUCTION_AUC:g}, {POSITIVE_SHARE:.1%} of the rows are positive, scores are "
        "normal in each class, so that every true gain is exact. Both models' scores correlate by 0.95 within a class "
        f"(two algorithms), or by 0.99 (`retrained`). {_measured()} The rule is the churn pipeline's: "
        f"{rule.resamples:,} resamples, confidence {rule.confidence:g}, min_gain {rule.min_gain:g}. A `best of 3` is "
        "one of three equal candidates; chosen on the test rows it only shows what a run must not do. The error is "
        "one standard error of the simulation, the bound one-sided."
    )


def _drift_text(share: float) -> str:
    return (
        f"Eighteen independent columns like Telco's. A data set has drifted from {share:.0%} of its columns on. "
        "`alarm bound` is the probability of a false alarm per data set if the columns' rate were at its 95 % upper "
        "bound. A shift moves every column: numbers by so many standard deviations (zeros stay), categories by as "
        "much of the normal variable that they are cut from."
    )


def _verdict(complaints: list[str]) -> str:
    return "Missed: " + "; ".join(complaints) if complaints else "Every figure asked for is met."


def _measured() -> str:
    if not TELCO.exists():
        return "On the Telco file this was not measured in this run: it is not in `.data/` (`make data`)."
    other, retrained = measure(TELCO)
    return (
        f"Measured on {other.rows:,} test rows of the Telco file: {other.correlation:.3f} between XGBoost and a random "
        f"forest (ROC-AUC {other.first_auc:.3f} and {other.second_auc:.3f}), {retrained.correlation:.3f} between "
        "XGBoost and itself trained on four fifths of the rows."
    )


if __name__ == "__main__":
    sys.exit(main())
