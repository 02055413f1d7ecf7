"""Evidently's HTML report on drift: pictures of a sample of rows, under a verdict that is from all rows."""

from __future__ import annotations

import contextlib
import html
import warnings
from typing import TYPE_CHECKING

from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    import polars as pl
    from evidently import Report

    from trainer.pipeline import Drift
    from trainer.run.results import ColumnDrift

SEED = 42
MISSING = "(missing)"
PRESENT = "(present)"
STATISTICS = {
    "ks": "Kolmogorov-Smirnov D",
    "psi": "PSI",
    "wasserstein": "Wasserstein, in standard deviations of the reference",
    "jensen_shannon": "Jensen-Shannon distance",
}
OFFLINE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src data: blob: 'unsafe-inline' 'unsafe-eval'\">"
)
"""Lets the page run what it holds, and forbids a browser to fetch anything."""


def write_drift_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    columns: list[str],
    limits: Drift,
    drifts: list[ColumnDrift],
    path: Path,
) -> None:
    """Write a self-contained HTML page that opens offline.

    `drifts` holds the verdict on each of `columns`; a verdict on a further column (the target) is shown apart and does
    not count for the data set. Evidently draws at most `limits.report_rows` rows of each side, a seeded choice. It does
    not judge by them: its drift method answers each column's decisive statistic over all rows, so both say the same.
    """
    sides = [_sample(frame, drifts, limits.report_rows) for frame in (reference, current)]
    apart = [drift.column for drift in drifts if drift.column not in columns]
    with _evidently_quiet():
        page = _render(_present_on_both(*sides), columns, apart, limits, drifts)
    head, start, body = page.partition("<body>")
    if not start or "<head>" not in head:
        raise TrainerError("Evidently's report has no <head> or <body>; this version of it does not fit this package")
    banner = _banner(reference.height, current.height, columns, limits, drifts)
    path.write_text(f"{head.replace('<head>', '<head>' + OFFLINE, 1)}{start}{banner}{body}", encoding="utf-8")


def decisive_statistic(drift: ColumnDrift) -> str:
    """The statistic that comes closest to its threshold, or exceeds it the most, by their ratio."""
    return max(drift.statistics, key=lambda name: drift.statistics[name] / drift.thresholds[name])


def _sample(frame: pl.DataFrame, drifts: list[ColumnDrift], rows: int) -> pd.DataFrame:
    """A seeded choice of rows: numeric columns as floats, moments as days since 1970, all others as texts."""
    import pandas as pd

    chosen = frame.sample(n=min(rows, frame.height), seed=SEED)
    return pd.DataFrame({drift.column: _drawable(chosen[drift.column], drift.kind) for drift in drifts})


def _drawable(values: pl.Series, kind: str) -> list[float | None] | list[str]:
    import polars as pl

    if kind == "categorical":
        return values.cast(pl.String).fill_null(MISSING).to_list()
    if values.dtype in (pl.Date, pl.Datetime):
        values = values.dt.epoch("s") / 86_400
    numbers = values.cast(pl.Float64, strict=False)
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series().to_list()


def _present_on_both(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evidently refuses a numeric column without any value on a side: such a one shows what is missing instead."""
    for name in reference.columns:
        if reference[name].isna().all() or current[name].isna().all():
            for side in (reference, current):
                side[name] = [MISSING if missing else PRESENT for missing in side[name].isna()]
    return reference, current


def _render(
    sides: tuple[pd.DataFrame, pd.DataFrame],
    columns: list[str],
    apart: list[str],
    limits: Drift,
    drifts: list[ColumnDrift],
) -> str:
    from evidently import DataDefinition, Dataset

    numeric = [name for name in sides[0].columns if sides[0][name].dtype == float]
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in sides[0].columns if name not in numeric]
    )
    reference, current = (Dataset.from_pandas(side, data_definition=definition) for side in sides)
    snapshot = _report(columns, apart, limits, drifts).run(current, reference)
    return str(snapshot.get_html_str(as_iframe=False))


def _report(columns: list[str], apart: list[str], limits: Drift, drifts: list[ColumnDrift]) -> Report:
    from evidently import Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset

    methods = _methods(drifts)
    thresholds = {drift.column: drift.thresholds[decisive_statistic(drift)] for drift in drifts}
    preset = DataDriftPreset(
        columns=columns, drift_share=limits.share, per_column_method=methods, per_column_threshold=thresholds
    )
    targets = [ValueDrift(column=name, method=methods[name], threshold=thresholds[name]) for name in apart]
    return Report([preset, *targets], include_tests=False)


def _methods(drifts: list[ColumnDrift]) -> dict[str, str]:
    """By column, the name of a drift method that answers what was found over all rows."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    found = {drift.column: (drift.statistics[decisive_statistic(drift)], drift.drifted) for drift in drifts}

    def answer(reference: pd.Series, *_: object) -> tuple[float, bool]:
        return found[str(reference.name)]

    for name, title in STATISTICS.items():
        kinds = [ColumnType.Numerical, ColumnType.Categorical]
        register_stattest(StatTest(_method(name), f"{title}, over all rows", kinds), answer)
    return {drift.column: _method(decisive_statistic(drift)) for drift in drifts}


def _method(statistic: str) -> str:
    return f"{statistic}_over_all_rows"


def _banner(
    reference_rows: int, current_rows: int, columns: list[str], limits: Drift, drifts: list[ColumnDrift]
) -> str:
    """The verdict, and each column's statistics with what they had to exceed."""
    drifted = sum(drift.drifted for drift in drifts if drift.column in columns)
    verdict = "drifted" if drifted / len(columns) >= limits.share else "stable"
    head = "".join(f"<th>{title}</th>" for title in ("Column", "Statistic", "Value", "Threshold", "Drifted"))
    rows = "".join(
        _row(drift, name, apart=drift.column not in columns) for drift in drifts for name in drift.statistics
    )
    return (
        '<section id="verdict" style="font-family: sans-serif; max-width: 60rem; margin: 2rem auto">'
        f"<h1>Data drift: {verdict}</h1><p>{drifted} of {len(columns)} columns drifted; from a share of "
        f"{limits.share:g} on, the data set has. This verdict is from all rows: {reference_rows:,} of the reference, "
        f"{current_rows:,} current. A column has drifted when a statistic exceeds its threshold, the greater of its "
        "limit and of what chance explains in 99.9 % of draws. The pictures below show a sample of at most "
        f"{limits.report_rows:,} rows of each side, with the decisive statistic of each column over all rows.</p>"
        f'<table border="1" cellpadding="4"><tr>{head}</tr>{rows}</table></section>'
    )


def _row(drift: ColumnDrift, statistic: str, *, apart: bool) -> str:
    value, threshold = drift.statistics[statistic], drift.thresholds[statistic]
    name = html.escape(drift.column) + (" (apart)" if apart else "")
    style = ' style="background: #fdd"' if value > threshold else ""
    return (
        f"<tr{style}><td>{name}</td><td>{STATISTICS[statistic]}</td><td>{value:.4g}</td><td>{threshold:.4g}</td>"
        f"<td>{'yes' if drift.drifted else 'no'}</td></tr>"
    )


@contextlib.contextmanager
def _evidently_quiet() -> Iterator[None]:
    """Silence what Evidently 0.7 and the web framework it imports say about themselves, and nothing else."""
    with warnings.catch_warnings():
        for message, category in (
            (r"Call to deprecated function 'Dependency'", DeprecationWarning),
            (r"Use of deprecated class 'DependencyKwarg'", DeprecationWarning),
            (r"numpy\.core is deprecated", DeprecationWarning),
        ):
            warnings.filterwarnings("ignore", message=message, category=category)
        yield
