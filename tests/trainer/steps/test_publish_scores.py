"""The step `publish_scores`, and a whole run that is killed wherever a step has done its work and not said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.commands.score import score_all
from trainer.errors import ConfigurationError
from trainer.run import RunFolder
from trainer.run.flow import SCORING
from trainer.run.records import PublishScoresResult
from trainer.tables.handover import SCORED

STEP = "publish_scores"


class KilledError(BaseException):
    """What nothing catches."""


def test_a_run_that_is_repeated_replaces_its_own_rows_and_no_others(scoring: Any) -> None:
    for replaced in (0, 200):
        scoring.step(STEP, key="scoring-1")
        result = scoring.run.at(STEP).result(PublishScoresResult)
        assert (result.rows, result.replaced) == (200, replaced)
    assert result.output.endswith("/data/scores/scoring-1.parquet")


def test_a_run_killed_after_the_work_of_each_step_publishes_its_rows_once(
    scoring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, finish, killed = scoring.at("scoring-2"), RunFolder.finish, set[str]()

    def finish_or_die(folder: RunFolder, result: Any) -> None:
        if folder.step not in killed:
            killed.add(folder.step)
            raise KilledError
        finish(folder, result)

    monkeypatch.setattr(RunFolder, "finish", finish_or_die)
    output = Path(scoring.home) / "data" / "scores"
    for step in SCORING:
        with pytest.raises(KilledError):
            score_all(run, scoring.pipeline)
        assert output.exists() == (step.name == STEP)  # nothing is visible before the last step
    score_all(run, scoring.pipeline)
    scored = pl.read_parquet(scoring.run.at("score").path(SCORED))
    assert scoring.published.drop("run", "scored_at").equals(scored.drop("run", "scored_at"))
    assert run.at(STEP).result(PublishScoresResult).replaced == 200


def test_an_output_that_may_not_be_written_keeps_the_scores(scoring: Any) -> None:
    (scoring.home / "data" / "taken").write_text("a file", encoding="utf-8")
    run = scoring.begin("scoring-2", output={"KIND": "parquet", "uri": "taken"})
    scoring.steps("read_rows", "check_rows", "score")
    with pytest.raises(ConfigurationError, match=r"taken cannot be written: .*nothing was published.*rows are kept"):
        scoring.steps(STEP)
    (scoring.home / "data" / "taken").unlink()
    scoring.steps(STEP)
    assert pl.read_parquet(scoring.home / "data" / "taken").height == 200
    assert run.at(STEP).failure() is None
