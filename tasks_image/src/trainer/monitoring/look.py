"""A look at one version: its new rows beside its snapshot, and its labelled rows beside its test rows."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.drift.compare import compare_column
from trainer.errors import DataValidationError
from trainer.evaluation.bootstrap import drop_bound, loss_of, percentiles, resampled
from trainer.evaluation.estimated import estimated_auc_roc
from trainer.modalities import modality_of
from trainer.monitoring.labels import refuse_other_types, refuse_unknown_classes
from trainer.monitoring.rows import answers_of, inputs_of
from trainer.monitoring.version import FITTED_AGAIN, WatchedVersion
from trainer.monitoring.watch import watch_columns
from trainer.problems import problem_of
from trainer.run.records import EstimatedPerformance, Interval, LabelledPerformance, VersionLook

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from trainer.evaluation.bootstrap import Resampled
    from trainer.pipeline import Pipeline
    from trainer.problems.predictions import Predictions
    from trainer.run import RunFolder
    from trainer.run.records import ScoredRun

ESTIMATED = "binary_classification"
REFERENCE_SEED, SEED = 41, 42


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows and records that a look at a version uses."""

    run: RunFolder
    pipeline: Pipeline
    """The present one: its limits of drift, its fewest rows."""
    version: WatchedVersion
    before: pl.LazyFrame
    """The snapshot that it was trained on."""
    runs: list[ScoredRun]
    """Those of the version in the window, oldest first."""
    labels: pl.DataFrame | None
    """`id` and `label`; None if the pipeline names no labels."""
    labels_source: str
    judged: pl.DataFrame
    """`id` of the answers of this version that earlier looks have judged."""

    @property
    def new(self) -> list[ScoredRun]:
        """The runs that no earlier look has taken."""
        return [one for one in self.runs if one.is_new]

    @property
    def min_rows(self) -> int:
        """Rows of which a performance is computed."""
        return 1 if self.pipeline.monitoring is None else self.pipeline.monitoring.min_rows


def look_at(evidence: Evidence) -> tuple[VersionLook, pl.Series]:
    """Return the look at a version, and the ids (n,) that it has judged by their labels.

    Raises DataValidationError if the rows that were scored are gone, or labels do not fit the version's target.
    """
    import polars as pl

    start = evidence.version.start
    found: dict[str, Any] = {"model": start.model, "version": start.version}
    found |= {"runs": [one.key for one in evidence.new], "rows": sum(one.rows for one in evidence.new)}
    if evidence.new:
        found |= _new_rows(evidence)
    none = pl.Series("id", [], dtype=pl.String)
    if evidence.labels is None:
        return VersionLook(**found, no_performance="the pipeline names no labels"), none
    labelled, judged = _labelled_rows(evidence, evidence.labels)
    return VersionLook(**found, **labelled), judged


def _new_rows(evidence: Evidence) -> dict[str, Any]:
    """Return the part of the look that needs no labels."""
    from trainer.scoring.columns import row_id

    version, name = evidence.version, row_id(evidence.pipeline)
    answers = answers_of(evidence.run, evidence.new, "last")
    known = version.learned_from(answers["id"])
    before = evidence.before
    with tempfile.TemporaryDirectory() as scratch:
        rows = inputs_of(evidence.run, evidence.new, name, Path(scratch))
        drifts = modality_of(version.pipeline).compare_inputs(version.pipeline, before, rows, evidence.pipeline.drift)
        watch = list(watch_columns(before, rows, [one.column for one in drifts]))
    share = sum(one.drifted for one in drifts) / len(drifts)
    return {
        "ids": answers.height,
        "learned_from": int(known.sum()),
        "drift_status": "drifted" if share >= evidence.pipeline.drift.share else "stable",
        "drift_share": share,
        "columns": drifts,
        "watch": watch,
        **_answers(evidence, answers.filter(~known)),
    }


def _answers(evidence: Evidence, fresh: pl.DataFrame) -> dict[str, Any]:
    """Return drift of the answers to rows (n) that the version has not learned from, and the estimate."""
    version = evidence.version
    if version.is_fitted_again:
        return {"no_answers": FITTED_AGAIN, "no_estimate": FITTED_AGAIN}
    if fresh.height < evidence.min_rows:
        few = f"{fresh.height:,} ids that the version has not learned from; `monitoring.min_rows` asks for "
        return {"no_answers": f"{few}{evidence.min_rows:,}", "no_estimate": f"{few}{evidence.min_rows:,}"}
    column = "probability" if "probability" in fresh.columns else "prediction"
    drift = compare_column(version.test[column], fresh[column], evidence.pipeline.drift)
    found: dict[str, Any] = {"answers": drift}
    if version.pipeline.problem != ESTIMATED:
        return found | {"no_estimate": "only a performance with two classes is estimated"}
    estimate = estimated_auc_roc(version.judged, fresh["probability"].to_numpy())
    if estimate is None:
        return found | {"no_estimate": "all calibrated answers are of one class for sure: there is nothing to rank"}
    interval = Interval(value=estimate.value, lower=estimate.lower, upper=estimate.upper)
    return found | {
        "estimate": EstimatedPerformance(
            auc_roc=interval, rows=fresh.height, calibration_rows=version.test.height
        )
    }  # fmt: skip


def _labelled_rows(evidence: Evidence, labels: pl.DataFrame) -> tuple[dict[str, Any], pl.Series]:
    """Return the part of the look that rests on labels, and the ids that it has judged.

    Each id is judged once for a version, by the first answer in the window: a later one may be younger than the label.
    """
    version = evidence.version
    answers = answers_of(evidence.run, evidence.runs, "first")
    joined = answers.join(labels, on="id", how="inner", maintain_order="left")
    late = joined.join(evidence.judged, on="id", how="anti", maintain_order="left")
    counts: dict[str, Any] = {"waiting": answers.height - joined.height}
    if late.is_empty():
        return counts | {"no_performance": "no label has arrived since the look before"}, late["id"]
    known = version.learned_from(late["id"])
    fresh = late.filter(~known)
    counts |= {"labelled": fresh.height, "labelled_learned_from": int(known.sum())}
    if fresh.height < evidence.min_rows:
        few = (
            f"{fresh.height:,} ids have got a label and were not learned from; `monitoring.min_rows` asks for "
            f"{evidence.min_rows:,}. They count in the next look"
        )
        return counts | {"no_performance": few}, late["id"].head(0)
    _refuse_unfit(evidence, fresh["label"])
    columns = version.pipeline.columns
    now = problem_of(version.pipeline.problem).predictions(fresh["label"], fresh, columns.positive)
    performance = _performance(version.pipeline, version.judged, now)
    return counts | performance, late["id"] if "performance" in performance else late["id"].head(0)


def _refuse_unfit(evidence: Evidence, labels: pl.Series) -> None:
    version, target = evidence.version, evidence.version.start.target
    refuse_other_types(labels, version.start.trained_columns[target], target, evidence.labels_source, version.name)
    if not problem_of(version.pipeline.problem).has_classes:
        return
    classes = evidence.before.select(target).unique().collect().to_series().drop_nulls().to_list()
    refuse_unknown_classes(labels, classes, target, evidence.labels_source)


def _performance(pipeline: Pipeline, before: Predictions, now: Predictions) -> dict[str, Any]:
    """Return metrics now and at the promotion, each with its interval, or the reason for which there are none."""
    problem, rule = problem_of(pipeline.problem), pipeline.gates.against_production
    undefined = problem.undefined(now) | problem.undefined(before)
    if rule.metric in undefined:
        return {"no_performance": f"{rule.metric} is undefined: all labels are of one class"}
    names = dict.fromkeys([rule.metric, *(limit.metric for limit in pipeline.gates.limits())])
    sides = (before, REFERENCE_SEED), (now, SEED)
    try:
        reference, live = (
            {
                name: resampled(problem, name, side, resamples=rule.resamples, seed=seed)
                for name in names
                if name not in undefined
            }
            for side, seed in sides
        )
    except DataValidationError as error:
        return {"no_performance": str(error)}
    drop, values = loss_of(reference[rule.metric], live[rule.metric])
    lower, upper = percentiles(values, rule.confidence)
    performance = LabelledPerformance(
        metric=rule.metric,
        rows=now.truth.size,
        metrics=_intervals(live.values(), rule.confidence),
        reference_rows=before.truth.size,
        reference=_intervals(reference.values(), rule.confidence),
        drop=Interval(value=drop, lower=lower, upper=upper),
        confidence=rule.confidence,
        drop_bound=drop_bound(values),
    )
    return {"performance": performance}


def _intervals(found: Sequence[Resampled] | Any, confidence: float) -> dict[str, Interval]:
    def interval(one: Resampled) -> Interval:
        lower, upper = one.interval(confidence)
        return Interval(value=one.value, lower=lower, upper=upper)

    return {one.metric: interval(one) for one in found}
