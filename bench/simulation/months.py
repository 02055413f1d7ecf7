"""Twelve monthly runs with `refit: everything`, through the product's split by time, comparison and decision."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bench.simulation.models import Rival, as_predictions, draw_production, draw_rival, draw_truth
from bench.simulation.promotion import PROBLEM, outcome_of, shipped
from bench.simulation.share import Share

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl
    from numpy.random import Generator

    from trainer.decision.gates import Outcome
    from trainer.pipeline import AgainstProduction
    from trainer.run.records import Compared

HISTORY, MONTHS = 12, 12
"""Months that production has learned from before the first run, and months with a run."""
FIRST_YEAR, MONTHS_PER_YEAR = 2024, 12


@dataclass(frozen=True)
class Run:
    """One monthly run."""

    rows: int
    """Test rows on which both models were compared; 0: too few were new to production."""
    outcome: Outcome


@dataclass(frozen=True)
class MonthlyRuns:
    """One line of a table: series of monthly runs with challengers of one kind."""

    rows: int
    """New rows a month."""
    trials: int
    """Independent series."""
    rival: Rival

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Simulate some of the series; each has a random stream of its own.

        Returns four shares: promotions among comparisons; series whose first comparison promotes; series with a
        promotion; kept runs among those with too few rows.
        """
        import numpy as np

        rule = shipped().gates.against_production
        own = [round(10_000 * part) for part in (self.rival.gain, self.rival.correlation)]
        streams = (np.random.default_rng([seed, *own, self.rows, trial]) for trial in range(first, first + count))
        return _counted([self._series(rule, random) for random in streams])

    def _series(self, rule: AgainstProduction, random: Generator) -> list[Run]:
        """The runs of a series, which ends when a better challenger is promoted."""
        runs = []
        for run in islice(draw_runs(rule, self.rival, self.rows, random), MONTHS):
            runs.append(run)
            if self.rival.gain > 0 and run.outcome == "promote":
                break
        return runs


def draw_runs(rule: AgainstProduction, rival: Rival, rows: int, random: Generator) -> Iterator[Run]:
    """Yield monthly runs on a table that grows by `rows` a month, each with a challenger of its own.

    Production answers a row in the same way in each run. After a promotion production has learned from every row.
    """
    import polars as pl

    table = pl.concat([_draw_month(random, rows, month) for month in range(HISTORY)])
    learned_until = _newest(table)
    month = HISTORY
    while True:
        table = table.vstack(_draw_month(random, rows, month))
        compared = _compare_on_new_rows(rule, rival, table, learned_until, random)
        run = Run(compared.rows if compared else 0, outcome_of(rule, compared, waits_for_rows=True))
        yield run
        if run.outcome == "promote":
            learned_until = _newest(table)
        month += 1


def _draw_month(random: Generator, rows: int, month: int) -> pl.DataFrame:
    """Rows at random times of a calendar month: `time`, `positive`, and production's score as `production`."""
    import numpy as np
    import polars as pl

    begin, end = (int(np.datetime64(_first_day(at), "us").astype(np.int64)) for at in (month, month + 1))
    times = pl.Series(random.integers(begin, end, size=rows)).cast(pl.Datetime("us"))
    positive = draw_truth(random, rows)
    return pl.DataFrame({"time": times, "positive": positive, "production": draw_production(random, positive)})


def _first_day(month: int) -> str:
    years, months = divmod(month, MONTHS_PER_YEAR)
    return f"{FIRST_YEAR + years}-{months + 1:02}-01"


def _newest(table: pl.DataFrame) -> datetime:
    newest: datetime = table["time"].max()  # type: ignore[assignment]  # of a column of datetimes
    return newest


def _compare_on_new_rows(
    rule: AgainstProduction, rival: Rival, table: pl.DataFrame, learned_until: datetime, random: Generator
) -> Compared | None:
    """Compare a new challenger with production on the test rows; None if fewer than `rule.min_rows` are new."""
    import numpy as np

    from trainer.evaluation.comparison import compare
    from trainer.pipeline import TimeSplit
    from trainer.problems import problem_of
    from trainer.tables.split_by_time import rows_newer_than, split_after

    if rows_newer_than(learned_until, table["time"]) < rule.min_rows:
        return None
    parts = split_after(TimeSplit(), learned_until, table["positive"], table["time"])
    test = table.filter(parts == "test")
    positive, production = test["positive"].to_numpy(), test["production"].to_numpy()
    challenger = as_predictions(positive, draw_rival(random, rival, positive, production))
    return compare(
        problem_of(PROBLEM), rule, challenger, as_predictions(positive, production), np.ones(test.height, dtype=bool)
    )


def _counted(series: list[list[Run]]) -> list[Share]:
    compared = [[run.outcome == "promote" for run in runs if run.rows] for runs in series]
    waiting = [run.outcome == "keep" for runs in series for run in runs if not run.rows]
    return [
        Share(sum(map(sum, compared)), sum(map(len, compared))),
        Share(sum(promoted[0] for promoted in compared), len(series)),
        Share(sum(map(any, compared)), len(series)),
        Share(sum(waiting), len(waiting)),
    ]
