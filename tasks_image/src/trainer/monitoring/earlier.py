"""The looks before a look: what they have taken, and what they have judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.run import RunFolder
from trainer.run.key import flow_of
from trainer.run.records import MonitorResult, StartMonitoringResult
from trainer.tables.handover import JUDGED
from trainer.tables.parquet import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

JUDGED_COLUMNS = ("model", "version", "id", "look")


def siblings(run: RunFolder, flow: str) -> list[RunFolder]:
    """Return the folders of a pipeline's runs of a flow, beside a run, without the run itself."""
    folder, store = run.root.rpartition("/")[0], run.uri.rpartition("/")[0]
    if not run.filesystem.isdir(folder):
        return []
    found = run.filesystem.ls(folder, detail=True, refresh=True)
    keys = [str(one["name"]).rstrip("/").rsplit("/", 1)[-1] for one in found if one["type"] == "directory"]
    return [
        RunFolder.open(f"{store}/{key}", run.filesystem) for key in sorted(keys) if flow_of(key) == flow != key
        and key != run.key
    ]  # fmt: skip


def finished_looks(run: RunFolder) -> list[RunFolder]:
    """Return the run folders of the finished looks of a pipeline, oldest first, without this one."""
    dated = []
    for other in siblings(run, "monitoring"):
        start = other.at("start_monitoring").result_or_none(StartMonitoringResult)
        if start is not None and other.at("monitor").result_or_none(MonitorResult) is not None:
            dated.append((start.started_at, other))
    return [other for _, other in sorted(dated, key=lambda pair: pair[0])]


def taken_by(looks: Sequence[RunFolder]) -> dict[str, str]:
    """Return the key of each scoring run that looks have taken, and the key of the look."""
    return {
        key: look.key
        for look in looks
        if (result := look.at("monitor").result_or_none(MonitorResult)) is not None
        for key in result.taken
    }


def judged_by(looks: Sequence[RunFolder]) -> pl.DataFrame:
    """Return model, version, id and look of each answer (n) that looks have judged by a label."""
    import polars as pl

    empty = pl.DataFrame(schema=dict.fromkeys(JUDGED_COLUMNS, pl.String))
    tables = [read_table(look.at("monitor"), JUDGED) for look in looks]
    return pl.concat([empty, *tables]).unique(JUDGED_COLUMNS[:3], keep="first", maintain_order=True)


def refuse_if_overtaken(run: RunFolder, earlier: Sequence[str]) -> None:
    """Raise DataValidationError if another look has finished since this one has begun.

    :param earlier: URIs of the looks that had finished then
    """
    if later := [look.key for look in finished_looks(run) if look.uri not in earlier]:
        raise DataValidationError(
            f"another look, {later[-1]}, has finished since this one has begun, and no two looks "
            "have the same rows: start a new run"
        )
