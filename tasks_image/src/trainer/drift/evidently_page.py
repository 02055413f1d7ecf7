"""Evidently's HTML report on drift: pictures of a sample of rows, under a verdict that is from all rows."""

from __future__ import annotations

import contextlib
import html
import math
import re
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
    from trainer.run.records import ColumnDrift

SEED = 42
MISSING = "(missing)"
PRESENT = "(present)"
STATISTICS = {
    "ks": "Kolmogorov-Smirnov",
    "wasserstein": "Wasserstein",
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
}
NATURAL_LOGARITHM = math.sqrt(math.log(2))
"""Evidently's Jensen-Shannon distance uses the natural logarithm; ours, base 2, is larger by this factor's inverse."""
EMBEDDED = ("metric_", "additional_graphs_metric_")
EMBEDDED_JSON = re.compile(rf"^( *var (?:{'|'.join(EMBEDDED)})[0-9a-f]{{32}} = )(.*)$", re.MULTILINE)
"""The scripts' variables that hold names and values from data, each in one line."""
OFFLINE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src data: blob: 'unsafe-inline' 'unsafe-eval'\">"
)
"""Lets the page run what it holds, and forbids a browser to fetch anything."""
STYLE = """
#verdict { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; overflow-x: auto }
#verdict table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
#verdict td, #verdict th { border-bottom: 1px solid #d8dee4; padding: .3rem .6rem; text-align: left; font-weight: 400 }
#verdict tr:first-child th { font-weight: 600 }
#verdict .above { background: #fdd; font-weight: 600 }
"""


def write_drift_report(
    reference: pl.LazyFrame,
    current: pl.LazyFrame,
    columns: list[str],
    limits: Drift,
    drifts: list[ColumnDrift],
    path: Path,
) -> None:
    """Write a self-contained HTML page that opens offline.

    `drifts` holds the verdict on each of `columns`; a verdict on a further column (the target) is shown apart and does
    not count for the data set. Evidently computes its own figures on at most `limits.report_rows` rows of each side, a
    seeded choice: Wasserstein for numbers, Jensen-Shannon for categories, each against the threshold of all rows.
    """
    import polars as pl

    heights = tuple(int(rows.select(pl.len()).collect().item()) for rows in (reference, current))
    sides = [
        _sample(rows, height, drifts, limits.report_rows)
        for rows, height in zip((reference, current), heights, strict=True)
    ]
    apart = [drift.column for drift in drifts if drift.column not in columns]
    with _evidently_quiet():
        page = _render(_present_on_both(*sides), columns, apart, limits, drifts)
    head, start, body = page.partition("<body>")
    if not start or "<head>" not in head:
        raise TrainerError("Evidently's report has no <head> or <body>; this version of it does not fit this package")
    banner = _banner(heights[0], heights[1], columns, limits, drifts)
    path.write_text(f"{head.replace('<head>', '<head>' + OFFLINE, 1)}{start}{banner}{body}", encoding="utf-8")


def _sample(rows: pl.LazyFrame, height: int, drifts: list[ColumnDrift], number: int) -> pd.DataFrame:
    """A seeded choice of rows: numeric columns as floats, moments as days since 1970, all others as texts."""
    import numpy as np
    import pandas as pd
    import polars as pl

    places = np.random.default_rng(SEED).choice(height, size=min(number, height), replace=False)
    wanted = rows.select(drift.column for drift in drifts).with_row_index("__row__")
    chosen = wanted.filter(pl.col("__row__").is_in(places.tolist())).collect(engine="streaming")
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
    rules = {drift.column: _rule(drift, is_number=drift.column in numeric) for drift in drifts}
    snapshot = _report(columns, apart, limits, rules).run(current, reference)
    return _with_escaped_data(str(snapshot.get_html_str(as_iframe=False)))


def _with_escaped_data(page: str) -> str:
    """Escape `<` in the JSON that Evidently embeds as it is: a category `</script>` would end its script."""
    escaped, count = EMBEDDED_JSON.subn(lambda found: found[1] + found[2].replace("<", r"\u003c"), page)
    if count != len(EMBEDDED):
        raise TrainerError(
            f"Evidently's report embeds its data {count} times, expected {len(EMBEDDED)}: this version of it "
            "does not fit this package"
        )
    return escaped


def _rule(drift: ColumnDrift, *, is_number: bool) -> tuple[str, float]:
    """Evidently's method for a column, and the threshold of all rows in that method's unit."""
    if is_number:
        return "wasserstein", drift.thresholds["wasserstein"]
    return "jensenshannon", drift.thresholds["jensen_shannon"] * NATURAL_LOGARITHM


def _report(columns: list[str], apart: list[str], limits: Drift, rules: dict[str, tuple[str, float]]) -> Report:
    from evidently import Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset

    preset = DataDriftPreset(
        columns=columns,
        drift_share=limits.share,
        per_column_method={name: rules[name][0] for name in columns},
        per_column_threshold={name: rules[name][1] for name in columns},
    )
    targets = [ValueDrift(column=name, method=rules[name][0], threshold=rules[name][1]) for name in apart]
    return Report([preset, *targets], include_tests=False)


def _banner(
    reference_rows: int, current_rows: int, columns: list[str], limits: Drift, drifts: list[ColumnDrift]
) -> str:
    """The verdict, and each column's statistics with what they had to exceed."""
    drifted = sum(drift.drifted for drift in drifts if drift.column in columns)
    verdict = "drifted" if drifted / len(columns) >= limits.share else "stable"
    head = "".join(f"<th>{title}</th>" for title in ("Column", *STATISTICS.values(), "Verdict"))
    rows = "".join(_row(drift, apart=drift.column not in columns) for drift in sorted(drifts, key=_undrifted_last))
    return (
        f'<style>{STYLE}</style><section id="verdict">'
        f"<h1>Data drift: {verdict}</h1><p>{drifted} of {len(columns)} columns drifted; from a share of "
        f"{limits.share:g} on, the data set has. This verdict is from all rows: {reference_rows:,} of the reference, "
        f"{current_rows:,} current. A column has drifted when a statistic exceeds its threshold, the greater of its "
        "limit and of what chance explains in 99.9 % of draws. Each cell: value / threshold. Wasserstein is in "
        "standard deviations of the reference, Jensen-Shannon a distance in base 2.</p>"
        f"<table><tr>{head}</tr>{rows}</table><p>Below: Evidently's pictures and its own figures, from a sample of at "
        f"most {limits.report_rows:,} rows of each side; near a threshold they can differ from the verdict above.</p>"
        "</section>"
    )


def _undrifted_last(drift: ColumnDrift) -> bool:
    return not drift.drifted


def _row(drift: ColumnDrift, *, apart: bool) -> str:
    name = html.escape(drift.column) + (" (apart)" if apart else "")
    cells = "".join(_cell(drift, statistic) for statistic in STATISTICS)
    return f"<tr><th>{name}</th>{cells}<td>{'<b>drifted</b>' if drift.drifted else 'stable'}</td></tr>"


def _cell(drift: ColumnDrift, statistic: str) -> str:
    if statistic not in drift.statistics:
        return "<td></td>"
    value, threshold = drift.statistics[statistic], drift.thresholds[statistic]
    shown = f"{value:.3g} / {threshold:.3g}"
    return f'<td class="above">{shown}</td>' if value > threshold else f"<td>{shown}</td>"


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
