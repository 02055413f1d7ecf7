"""The sections of `docs/simulation.md`: cells to simulate, text, tables and required figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.simulation.correlation import measure
from bench.simulation.experiments import DAYS
from bench.simulation.experiments_report import missed_experiments, ratio_table, winners_table
from bench.simulation.freshness import JUST_WORSE, MARGIN, RETRAINING, SINKING, WEEKS, freshness_rule
from bench.simulation.freshness_report import comparison_table, missed_freshness, year_table
from bench.simulation.models import POSITIVE_SHARE, PRODUCTION_AUC
from bench.simulation.months import MONTHS
from bench.simulation.months_report import better_table, equal_table, missed_months
from bench.simulation.plan import driftings, experiments, freshness, monthly_runs, promotions, retrainings
from bench.simulation.promotion import shipped
from bench.simulation.report import drift_tables, missed_alarms, missed_promotions, pooled_table, promotion_table
from bench.simulation.retraining import LIMIT, SOON, retrain_rule
from bench.simulation.retraining import WEEKS as LOOKS_OF_A_YEAR
from bench.simulation.retraining_report import drop_table, missed_retraining, stable_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.simulation.runner import Cell
    from bench.simulation.share import Share

TELCO = Path(__file__).parents[2] / ".data" / "telco_churn" / "Telco-Customer-Churn.csv"


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    title: str
    counted: str
    """The unit of a cell's first share, in the plural."""
    cells: Callable[..., Sequence[Cell]]
    text: Callable[[], str]
    tables: Callable[[Any], Sequence[str]]
    """Tables of the cells' shares."""
    missed: Callable[[Any], list[str]]
    """One line per required figure that the cells' shares miss."""

    def write(self, found: dict[Any, list[Share]], how: str) -> str:
        """Return the section's text; `how` says how the shares were found."""
        trials = sum(shares[0].trials for shares in found.values())
        about = f"Simulated {how}: {trials:,} {self.counted}. {_verdict(self.missed(found))}"
        return "\n\n".join([about, self.text(), *self.tables(found)])


def _promotion_text() -> str:
    rule = shipped().gates.against_production
    return (
        f"Production's true ROC-AUC is {PRODUCTION_AUC:g}, {POSITIVE_SHARE:.1%} of the rows are positive, scores are "
        "normal in each class, so that every true gain is exact. Both models' scores correlate by 0.95 within a class "
        f"(two algorithms), or by 0.99 (`retrained`). {_measured()} The rule is the churn pipeline's: "
        f"{rule.resamples:,} resamples, confidence {rule.confidence:g}, min_gain {rule.min_gain:g}. A `best of 3` is "
        "one of three equal candidates; chosen on the test rows it only shows what a run must not do. The error is "
        "one standard error of the simulation, the bound one-sided."
    )


def _months_text() -> str:
    rule = shipped().gates.against_production
    return (
        "Twelve monthly runs with `refit: everything`, on a table that grows by a month's rows before each. The models "
        "and the rule are those of the promotions above. The test rows are all rows newer than any that production has "
        "learned from, so they accumulate while production stays. Production answers a row in the same way every "
        "month; each month's challenger is a new draw of the same true gain, which answers all these rows. After a "
        "promotion production has learned from every row, and the next test rows are the next month's only. With fewer "
        f"than {rule.min_rows} of them nothing is compared and the run is kept: at 150 rows a month the first run, and "
        f"the first after each promotion. A series of equal challengers has {MONTHS} runs, also after a promotion, "
        "which is always wrong there. Its comparisons share production's answers, through which the gains of two "
        "challengers correlate by less than 0.1; the bound of their share takes them as independent. A series of "
        "better challengers ends with its first promotion; `found at once` counts those that the first comparison "
        "promotes. The error and the bounds are as above."
    )


def _freshness_text() -> str:
    rule = freshness_rule()
    return (
        f"The rule `not_worse` with a margin of {MARGIN:g} of ROC-AUC, on the models of the promotions above. "
        f"The bound against production is one-sided at {rule.confidence:.0%}, that against the anchor at "
        f"{rule.anchor_confidence:.2%}. In the first table the anchor is as good as production, and the scores of any "
        "two models correlate as said; `other in few rows` answers as production does, but the other way round to so "
        "few rows (7 of 500) that it loses one margin there. A loss of 1 margin is the least that must not be promoted "
        f"and the hardest to find. In the second table a year has {WEEKS} weekly runs, each on new rows, with scores "
        "that correlate by 0.99; loss counts from the first version. `equal`: a challenger's true area is that of the "
        f"first version, plus or minus {RETRAINING:g} margins (one standard deviation). `sinking`: each challenger is "
        f"{SINKING:g} margins worse than the production of its week. `just worse`: each is {JUST_WORSE:g} margins "
        "worse than the first version. A year is beyond the margin if production was so in any of its weeks. "
        "`production only` is the contrast without an anchor, in which losses add up."
    )


def _retraining_text() -> str:
    rule, resamples = retrain_rule(), shipped().gates.against_production.resamples
    return (
        f"Monitoring with `retrain: {{when: {{performance_drop: {LIMIT:g}}}, looks: {rule.looks}, at_least: "
        f"{rule.at_least}}}` on models like those of the promotions above. Each year draws the version's test rows "
        f"anew, and {LOOKS_OF_A_YEAR} weekly looks with labelled rows of their own; production stays, and the first "
        "training run counts. Bounds and decisions are computed by the code that monitoring runs, with "
        f"{resamples:,} resamples; a bound only if enough drops in a row of looks reach the limit, as nothing is "
        f"started otherwise. In the second table production has become worse, and its first {SOON} looks have to find "
        "it. All looks of a year share the test rows, whose error makes all of them look bad in an unlucky year; so "
        "the bounds are of years. The test rows are not chosen: a version that was promoted by luck looks better on "
        "its test rows than it is, and drops more easily. The condition "
        "`drift_share` is not simulated here: false alarms of drift are in the section below."
    )


def _drift_text() -> str:
    return (
        f"Eighteen independent columns like Telco's. A data set has drifted from {_drift_share():.0%} of its columns "
        "on. `alarm bound` is the probability of a false alarm per data set if the columns' rate were at its 95 % "
        "upper bound. A shift moves every column: numbers by so many standard deviations (zeros stay), categories by "
        "as much of the normal variable that they are cut from."
    )


def _measured() -> str:
    if not TELCO.exists():
        return "On the Telco file this was not measured in this run: it is not in `.data/` (`make data`)."
    other, retrained = measure(TELCO)
    return (
        f"Measured on {other.rows:,} test rows of the Telco file: {other.correlation:.3f} between XGBoost and a random "
        f"forest (ROC-AUC {other.first_auc:.3f} and {other.second_auc:.3f}), {retrained.correlation:.3f} between "
        "XGBoost and itself trained on four fifths of the rows."
    )


def _drift_share() -> float:
    return shipped().drift.share


def _experiments_text() -> str:
    return (
        f"Experiments of {DAYS} days with two versions, whose units come at random times and have their outcome at "
        "once. The product's own analysis looks at the end of each day, and whoever sees a winner at any look would "
        "name it. Outcomes are 0 or 1 with the rate of A given; amounts are lognormal, with a mean of 1 and a standard "
        "deviation of 1.3. Without a true difference each winner is a false one. The intervals are those of large "
        "samples, so the rare outcomes and the small experiments count. The check of the sample ratio is made after "
        "each unit; half of its lines have a true share other than the one asked for, and there an alarm is right."
    )


def _verdict(complaints: list[str]) -> str:
    return "Missed: " + "; ".join(complaints) if complaints else "Every figure asked for is met."


SECTIONS = {
    "promotion": Section(
        "Promotion",
        "challengers",
        promotions,
        _promotion_text,
        lambda found: (pooled_table(found), promotion_table(found)),
        missed_promotions,
    ),
    "months": Section(
        "Monthly runs",
        "monthly comparisons",
        monthly_runs,
        _months_text,
        lambda found: (equal_table(found), better_table(found)),
        missed_months,
    ),
    "freshness": Section(
        "Freshness",
        "challengers and weekly comparisons",
        freshness,
        _freshness_text,
        lambda found: (comparison_table(found), year_table(found)),
        missed_freshness,
    ),
    "retraining": Section(
        "Retraining",
        "years and drops",
        retrainings,
        _retraining_text,
        lambda found: (stable_table(found), drop_table(found)),
        missed_retraining,
    ),
    "experiments": Section(
        "Experiments",
        "experiments",
        experiments,
        _experiments_text,
        lambda found: (winners_table(found), ratio_table(found)),
        missed_experiments,
    ),
    "drift": Section(
        "Drift",
        "pairs of tables",
        driftings,
        _drift_text,
        lambda found: drift_tables(found, _drift_share()),
        lambda found: missed_alarms(found, _drift_share()),
    ),
}
"""By the name that the command takes, in the page's order."""
