"""Whether tables are said to have drifted, by the statistics and the share rule that a run uses."""

from __future__ import annotations

from dataclasses import dataclass

from bench.simulation.columns import COLUMNS, NUMBERS, draw_table
from bench.simulation.promotion import shipped
from bench.simulation.share import Share


@dataclass(frozen=True)
class Drifting:
    """One line of a table: current tables moved by so much, compared with references that are not."""

    reference_rows: int
    rows: int
    trials: int
    shift: float = 0.0

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Of some of the trials: data sets found drifted, numeric columns and columns of categories."""
        import numpy as np

        from trainer.drift.compare import compare_tables

        limits = shipped().drift
        datasets = numbers = categories = 0
        for trial in range(first, first + count):
            random = np.random.default_rng([seed, self.reference_rows, self.rows, round(self.shift * 1000), trial])
            tables = (draw_table(random, self.reference_rows).lazy(), draw_table(random, self.rows, self.shift).lazy())
            found = [drift.column for drift in compare_tables(*tables, COLUMNS, limits) if drift.drifted]
            datasets += len(found) / len(COLUMNS) >= limits.share  # as the step detect_drift has it
            numbers += len({*found} & {*NUMBERS})
            categories += len({*found} - {*NUMBERS})
        others = len(COLUMNS) - len(NUMBERS)
        return [Share(datasets, count), Share(numbers, count * len(NUMBERS)), Share(categories, count * others)]
