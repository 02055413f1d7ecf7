"""A clock that jumps between two steps."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.faults.world.worlds import quick_churn
from trainer.run.records import IngestResult, StartResult
from trainer.summary.summary import build_summary

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage


def test_a_clock_that_goes_back_gives_no_negative_time(world_after: Stage, caplog: pytest.LogCaptureFixture) -> None:
    world = world_after("ingest")
    start = world.folder.at("start").result(StartResult)
    ahead = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    world.folder.at("start").finish(start.model_copy(update={"started_at": ahead, "finished_at": ahead}))
    summary = build_summary(world.folder)
    assert (summary.wall_seconds, summary.overhead_share) == (0.0, 0.0)
    assert all(seconds >= 0 for seconds in summary.seconds.values())


def test_data_from_ahead_of_the_clock_is_new_and_said(world_after: Stage, caplog: pytest.LogCaptureFixture) -> None:
    world = world_after("start")
    rows = world.home / "rows.csv"
    rows.write_text("customer_id,churn,seen\n1,Yes,2999-01-01\n2,No,2026-01-01\n")
    os.utime(rows, (4e9, 4e9))
    columns = {"id": "customer_id", "target": "churn", "positive": "Yes", "time": "seen"}
    document = {
        **quick_churn().model_dump(mode="json"), "columns": columns, "features": {},
        "source": {"KIND": "csv", "uri": str(rows), "types": {"seen": "date"}},
    }  # fmt: skip
    world.folder.at("").write_json("pipeline.yaml", document)
    with caplog.at_level(logging.WARNING, logger="trainer"):
        world.step("ingest")
    result = world.folder.at("ingest").result(IngestResult)
    assert (result.age_days, result.newest_row_age_days) == (0.0, 0.0)
    assert "the source was changed" in caplog.text
    assert "the newest row is" in caplog.text
