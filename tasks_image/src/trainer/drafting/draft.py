"""A pipeline's YAML from a table's profile, with the reasons as comments."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.drafting.features import draft_features
from trainer.errors import DataValidationError
from trainer.inference.labels import as_label
from trainer.pipeline import CsvSource, TimeSplit, Tuning
from trainer.sources.date_orders import WHOLE as WHOLE_DATE
from trainer.tables.split_by_time import split_by_time

if TYPE_CHECKING:
    import polars as pl

    from trainer.drafting.column_profile import ColumnProfile
    from trainer.pipeline import ParquetSource
    from trainer.problems import Problem

MARGIN = 0.5
"""How far beyond the range that was seen a value may lie, as a share of that range."""
LEAST_SHARE, USUAL_SHARE = 0.1, 0.5
"""Of the rows that were seen: with fewer a run stops (so a run may sample a tenth), with fewer it warns."""
TEST_SHARE, USED = 0.15, 0.8
LEAST_ROWS, USUAL_ROWS = 30, 200
POSITIVES = ("yes", "true", "1", "y", "positive", "churned", "fraud")


@dataclass(frozen=True)
class Draft:
    """What a pipeline is drafted from."""

    name: str
    target: str
    problem: Problem
    source: CsvSource | ParquetSource
    frame: pl.DataFrame
    columns: list[ColumnProfile]

    @property
    def id(self) -> str | None:
        """The first column that could be the id; one that is called so goes first."""
        ids = [column.name for column in self.columns if column.suspicion == "id"]
        return min(ids, key=lambda name: "id" not in name.lower(), default=None)

    @property
    def time(self) -> str | None:
        """The first date."""
        return next((column.name for column in self.columns if column.suspicion == "time"), None)

    @property
    def excluded(self) -> list[ColumnProfile]:
        """What must not be an input, or cannot."""
        return [c for c in self.columns if c.suspicion and c.name not in (self.id, self.time)]


def draft_pipeline(draft: Draft) -> str:
    """The YAML."""
    parts = [_head(draft), _source(draft), _columns(draft), _validation(draft), *_split(draft), *_features(draft)]
    parts += _preprocess(draft)
    parts += [_models(draft), _gates(draft)]
    names = f"registry: {{model: {draft.name.replace('_', '-')}, experiment: {draft.name.replace('_', '-')}}}"
    return "\n\n".join([*parts, names]) + "\n"


def positive_label(values: pl.Series) -> Any:
    """The value that is positive by its name, else the rarer one."""
    counts = values.value_counts().sort("count", values.name)
    labels = counts[values.name].to_list()
    return next((label for label in labels if as_label(label).lower() in POSITIVES), labels[0])


def _head(draft: Draft) -> str:
    lines = [
        "# Drafted by `trainer init` from what the file holds; every choice is yours to change.",
        "version: 1",
        f"name: {draft.name}",
        f"description: {_text(f'Predicts {draft.target}')}",
        'schedule: null   # by hand; a cron line such as "0 2 * * 0" runs it weekly',
        f"problem: {draft.problem.name}   # {draft.frame[draft.target].n_unique():,} different target values",
    ]
    return "\n".join(lines)


def _source(draft: Draft) -> str:
    lines = ["source:", f"  KIND: {draft.source.KIND}", f"  uri: {_text(draft.source.uri)}"]
    if isinstance(draft.source, CsvSource) and draft.source.separator != ",":
        lines.append(f"  separator: {_text(draft.source.separator)}")
    if draft.source.missing:
        lines.append(f"  missing: {_text(draft.source.missing)}   # found in the file; each means a missing value")
    if draft.source.types:
        lines.append("  types:   # declared, so that a later file of other types is refused")
        lines += [f"    {_text(name)}: {kind}{_open_order(draft, name)}" for name, kind in draft.source.types.items()]
    if draft.source.dates:
        lines.append("  dates:   # each is built from the columns of its parts, which stay inputs")
        for name, parts in draft.source.dates.items():
            lines.append(f"    {_text(name)}: {_text(parts.model_dump(exclude_none=True))}")
    return "\n".join(lines)


def _open_order(draft: Draft, name: str) -> str:
    """A comment for texts that are dates of which nothing tells what stands first."""
    import polars as pl

    values = draft.frame[name].drop_nulls()
    if values.dtype != pl.String or values.is_empty() or not values.str.contains(WHOLE_DATE).all():
        return ""
    return f"   # dates? date_day_first and date_month_first both fit, such as {values[0]}: choose one"


def _columns(draft: Draft) -> str:
    why = {column.name: " ".join(column.why.split()) for column in draft.columns}
    lines = ["columns:", f"  target: {_text(draft.target)}"]
    if draft.problem.names_positive:
        lines.append(f"  positive: {_text(positive_label(draft.frame[draft.target]))}   # the class that is looked for")
    lines += [
        f"  {role}: {_text(name)}   # {why[name]}" for role, name in (("id", draft.id), ("time", draft.time)) if name
    ]
    if draft.excluded:
        lines.append("  exclude:")
        lines += [f"    - {_text(column.name)}   # {column.suspicion}: {why[column.name]}" for column in draft.excluded]
    return "\n".join(lines)


def _features(draft: Draft) -> list[str]:
    derived = draft_features(draft.columns, draft.frame)
    if not derived:
        return []
    head = ["features:   # computed from columns that are not inputs themselves; a service has to send these too"]
    return ["\n".join([*head, "  derive:", *(f"    {name}: {_text(text)}" for name, text in derived.items())])]


def _split(draft: Draft) -> list[str]:
    """The split by time, where a column has times and every part and fold gets rows of each class."""
    if draft.time is None:
        return []
    if why := _why_not_by_time(draft.frame[draft.time], draft.problem.labels(draft.frame[draft.target])):
        return [f"# Rows are split by a hash, not by time: {why}"]
    remark = f"the newest rows judge; use hash where {draft.time} is not the time when a row was observed"
    return [f"split: {{KIND: time}}   # {' '.join(remark.split())}"]


def _why_not_by_time(times: pl.Series, labels: pl.Series | None) -> str:
    try:
        parts = split_by_time(TimeSplit(), labels, times)
    except DataValidationError as error:
        return " ".join(str(error).split())
    folds, found = int(Tuning.model_fields["folds"].default), times.filter(parts == "train").n_unique()
    return f"the training rows would have {found} different times, too few for {folds} folds" if found <= folds else ""


def _preprocess(draft: Draft) -> list[str]:
    many = [c for c in draft.columns if c.is_category and not c.categories and not c.suspicion]
    if not many:
        return []
    widest = max(many, key=lambda column: column.distinct)
    remark = f"{widest.name} has {widest.distinct:,} values, which one_hot would make as many columns"
    return [f"preprocess: {{categorical: target}}   # {' '.join(remark.split())}"]


def _validation(draft: Draft) -> str:
    rows = draft.frame.height
    counts = "expect_table_row_count_to_be_between"
    checks = [
        _check(counts, "completeness", {"min_value": math.floor(rows * LEAST_SHARE)}),
        _check(counts, "completeness", {"min_value": math.floor(rows * USUAL_SHARE)}, "warning"),
    ]
    needed = [name for name in (draft.id, draft.target) if name and (name == draft.id or draft.problem.has_classes)]
    checks += [_check("expect_column_values_to_not_be_null", "completeness", {"column": name}) for name in needed]
    if draft.id:
        checks.append(_check("expect_column_values_to_be_unique", "uniqueness", {"column": draft.id}))
    checks += _target_checks(draft)
    left_out = {column.name for column in draft.excluded} | {draft.id, draft.time, draft.target}
    for column in draft.columns:
        if column.name not in left_out:
            checks += _column_checks(column)
    head = f"# From {rows:,} rows: ranges have a margin of half their width; a `warning` does not stop a run."
    return "\n".join([head, "validation:", *checks])


def _target_checks(draft: Draft) -> list[str]:
    if not draft.problem.has_classes:
        return _column_checks(next(column for column in draft.columns if column.name == draft.target))
    shares = draft.frame[draft.target].value_counts(normalize=True).sort(draft.target)
    values = shares[draft.target].to_list()
    weights = [round(share, 4) for share in shares["proportion"]]
    weights[-1] = round(1 - sum(weights[:-1]), 4)
    partition = {"values": values, "weights": weights}
    name = {"column": draft.target}
    return [
        _check("expect_column_values_to_be_in_set", "validity", {**name, "value_set": values}),
        _check(
            "expect_column_kl_divergence_to_be_less_than",
            "distribution",
            {**name, "partition_object": partition, "threshold": 0.1},
            "warning",
        ),
    ]


def _column_checks(column: ColumnProfile) -> list[str]:
    name = {"column": column.name}
    checks = []
    if column.missing == 0:
        checks.append(_check("expect_column_values_to_not_be_null", "completeness", name))
    else:
        mostly = max(0.0, math.floor((1 - 2 * column.missing / column.rows) * 100) / 100)
        checks.append(
            _check("expect_column_values_to_not_be_null", "completeness", {**name, "mostly": mostly}, "warning")
        )
    if column.categories and column.type != "Boolean":
        values = {**name, "value_set": list(column.categories)}
        checks.append(_check("expect_column_values_to_be_in_set", "validity", values, "warning"))
    elif isinstance(column.low, int | float):
        width = (column.high - column.low) * MARGIN
        low = 0 if column.low >= 0 and column.low - width < 0 else column.low - width
        limits = {"min_value": float(f"{low:.6g}"), "max_value": float(f"{column.high + width:.6g}")}
        checks.append(_check("expect_column_values_to_be_between", "validity", {**name, **limits}))
    return checks


def _check(check: str, dimension: str, kwargs: dict[str, Any], severity: str = "critical") -> str:
    mark = ", severity: warning" if severity == "warning" else ""
    return f"  - {{check: {check}, dimension: {dimension}{mark}, kwargs: {_text(kwargs)}}}"


def _models(draft: Draft) -> str:
    kind = draft.problem.estimator(of_numbers="Regressor", of_classes="Classifier")
    return f"""\
algorithms:
  lightgbm:
    KIND: lightgbm
    params: {{n_estimators: 100, max_depth: 4, learning_rate: 0.1}}
    search:
      max_depth: {{low: 1, high: 8}}   # from 1: on small tables the best trees are often shallow
      learning_rate: {{low: 0.02, high: 0.3, log: true}}
      min_child_samples: {{low: 5, high: 100, log: true}}
  random_forest:
    KIND: sklearn
    estimator: sklearn.ensemble.RandomForest{kind}
    params: {{n_estimators: 100, min_samples_leaf: 2}}
    search:
      min_samples_leaf: {{low: 1, high: 20, log: true}}
      max_features: {{low: 0.1, high: 1.0}}

tuning: {{trials: 20, folds: 5, timeout_minutes: 30, metric: {draft.problem.usual_metric}, seed: 42}}"""


def _gates(draft: Draft) -> str:
    target = draft.frame[draft.target]
    if not draft.problem.has_classes:
        limit = float(f"{target.cast(float).std(ddof=0):.4g}")
        lines = [
            "gates:",
            f"  rmse: {limit}   # what always answering the mean gives: no goal yet, only better than nothing",
        ]
    else:
        shares = [count / len(target) for count in target.value_counts()["count"]]
        entropy = math.floor(-sum(share * math.log(share) for share in shares) * 1e4) / 1e4
        lines = [
            "gates:",
            f"  log_loss: {entropy}   # what always answering the classes' shares gives: no goal yet",
            "  auc_roc: 0.55   # a coin has 0.5; raise it once a first run has shown what is possible",
        ]
    rows = min(USUAL_ROWS, max(LEAST_ROWS, math.floor(draft.frame.height * TEST_SHARE * USED)))
    metric = draft.problem.usual_metric
    rule = f"  against_production: {{metric: {metric}, min_gain: 0, confidence: 0.95, min_rows: {rows}}}"
    return "\n".join([*lines, rule])


def _text(value: Any) -> str:
    """A value as JSON, which YAML reads."""
    return json.dumps(value, ensure_ascii=False)
