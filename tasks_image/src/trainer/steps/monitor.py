"""Look at scored rows and their labels, and keep what was found in the run folder and in MLflow."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.run import RunFolder
from trainer.run.records import (
    MonitorResult,
    ReadLabelsResult,
    ReadScoresResult,
    StartMonitoringResult,
    VersionLook,
)
from trainer.tables.handover import JUDGED, LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run.records import ScoredRun

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> MonitorResult:
    """Write `judged.parquet`, the pictures and `monitoring.html`, and log the look to MLflow.

    Raises DataValidationError if nothing is new, no version could be looked at, labels do not fit, or another look has
    taken the same rows meanwhile.
    """
    import polars as pl

    from trainer.monitoring.earlier import judged_by, refuse_if_overtaken, taken_by
    from trainer.monitoring.retraining import judge_looks
    from trainer.monitoring.tracking import log_look
    from trainer.reports.monitoring_report import PAGE, write_monitoring_page
    from trainer.tables.parquet import write_table

    start, scores = (
        run.at("start_monitoring").result(StartMonitoringResult),
        run.at("read_scores").result(ReadScoresResult),
    )
    refuse_if_overtaken(run, start.earlier)
    earlier = [RunFolder.open(uri) for uri in start.earlier]
    judged = _of_versions(judged_by(earlier), scores.runs)
    found = list(_looks(pipeline, run, scores, judged))
    looks = [look for look, _ in found]
    _refuse_nothing(looks, scores)
    write_table(run, JUDGED, pl.concat([judged, *(table for _, table in found)]))
    window = {one.key for one in scores.runs}
    own = [key for look in looks for key in look.runs if not look.not_looked_at]
    result = MonitorResult(
        looks=looks,
        taken=sorted(window & {*taken_by(earlier), *own}),
        judged=run.uri_of(JUDGED),
        page=run.at("").uri_of(PAGE),
        mlflow_run="",
    )
    result = judge_looks(pipeline, run, result, earlier)
    write_monitoring_page(run, pipeline, result, earlier)
    return result.model_copy(update={"mlflow_run": log_look(pipeline, run, result)})


def _looks(
    pipeline: Pipeline, run: RunFolder, scores: ReadScoresResult, judged: pl.DataFrame
) -> Iterator[tuple[VersionLook, pl.DataFrame]]:
    """Yield the look at each version and the answers that it has judged; the one that scored last comes last."""
    import polars as pl

    from trainer.monitoring.earlier import JUDGED_COLUMNS
    from trainer.monitoring.look import Evidence, look_at
    from trainer.monitoring.version import watched_version
    from trainer.registry.reference import reference_rows

    labels, source = _labels(pipeline, run)
    for (model, number), runs in _by_version(scores.runs).items():
        of_version = judged.filter((pl.col("model") == model) & (pl.col("version") == number))
        with contextlib.ExitStack() as opened:
            try:
                version = watched_version(run, runs[-1])
                before = opened.enter_context(reference_rows(version.reference))
            except DataValidationError as error:
                logger.warning("%s version %s is not looked at: %s", model, number, error)
                yield _not_looked_at(model, number, runs, error), judged.clear()
                continue
            look, ids = look_at(Evidence(run, pipeline, version, before, runs, labels, source, of_version))
        _log(look)
        own = {"model": model, "version": number, "look": run.key}
        table = ids.alias("id").to_frame().with_columns(**{name: pl.lit(value) for name, value in own.items()})
        yield look, table.select(JUDGED_COLUMNS)


def _labels(pipeline: Pipeline, run: RunFolder) -> tuple[pl.DataFrame | None, str]:
    from trainer.tables.parquet import read_table

    if pipeline.monitoring is None or pipeline.monitoring.labels is None:
        return None, ""
    read = run.at("read_labels").result(ReadLabelsResult)
    return read_table(run.at("read_labels"), LABELS), read.source


def _by_version(runs: list[ScoredRun]) -> dict[tuple[str, str], list[ScoredRun]]:
    """Return the runs of each version, oldest first; the version that scored last comes last."""
    last = {(one.model, one.version): place for place, one in enumerate(runs)}
    return {
        name: [one for one in runs if (one.model, one.version) == name] for name in sorted(last, key=last.__getitem__)
    }


def _of_versions(judged: pl.DataFrame, runs: list[ScoredRun]) -> pl.DataFrame:
    """Return of what was judged (n) that of versions with rows in the window; no label can arrive for others."""
    import polars as pl

    versions = pl.DataFrame([(one.model, one.version) for one in runs], ["model", "version"], orient="row")
    return judged.join(versions, on=["model", "version"], how="semi", maintain_order="left")


def _not_looked_at(model: str, version: str, runs: list[ScoredRun], error: DataValidationError) -> VersionLook:
    new = [one for one in runs if one.is_new]
    return VersionLook(
        model=model,
        version=version,
        runs=[one.key for one in new],
        rows=sum(one.rows for one in new),
        not_looked_at=str(error),
    )


def _refuse_nothing(looks: list[VersionLook], scores: ReadScoresResult) -> None:
    """Raise DataValidationError if no version could be looked at, or nothing is new."""
    seen = [look for look in looks if not look.not_looked_at]
    if not seen:
        raise DataValidationError("nothing could be looked at: " + "; ".join(look.not_looked_at for look in looks))
    if not any(look.runs or look.performance for look in seen):
        last = scores.runs[-1]
        waiting = sum(look.labelled for look in seen)
        raise DataValidationError(
            f"nothing is new since the look before: the last scoring run, {last.key}, was at {last.scored_at}, and "
            f"{waiting:,} further labels are too few to judge; score rows, bring labels, or look less often "
            "(`monitoring.schedule`)"
        )


def _log(look: VersionLook) -> None:
    name = f"{look.model} version {look.version}"
    if look.drift_share is not None:
        level = logging.WARNING if look.drift_status == "drifted" else logging.INFO
        drifted = sum(one.drifted for one in look.columns)
        logger.log(level, "%s: %d of %d inputs drifted: %s", name, drifted, len(look.columns), look.drift_status)
    if (found := look.performance) is None:
        logger.info("%s: no performance: %s", name, look.no_performance)
        return
    now, before, drop = found.metrics[found.metric], found.reference[found.metric], found.drop
    logger.info(
        "%s: %s %.4f (%.4f to %.4f) on %d labelled rows, %.4f at promotion; drop %+.4f (%+.4f to %+.4f)",
        name, found.metric, now.value, now.lower, now.upper, found.rows, before.value, drop.value, drop.lower,
        drop.upper,
    )  # fmt: skip
