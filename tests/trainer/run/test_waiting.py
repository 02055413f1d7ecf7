"""Which run of a pipeline waits for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.run import RunFolder
from trainer.run.folder import FAILURE_FILE, RESULT_FILE
from trainer.run.waiting import WAITING_FILE, begin_waiting, end_waiting, pipeline_folder, waiting_run

LINK = "https://airflow.example.com/dags/churn_training/runs/first/tasks/approve/required_actions"


@pytest.fixture
def asks(tmp_path: Path) -> RunFolder:
    """The folder of a run at the step that has asked."""
    folder = RunFolder.open(str(tmp_path / "runs/churn/first-1a2b")).at("approve")
    begin_waiting(folder, "first", "churn: promote?", LINK)
    return folder


@pytest.fixture
def behind(tmp_path: Path) -> RunFolder:
    """The folder of a run that is queued; nothing is in it yet."""
    return RunFolder.open(str(tmp_path / "runs/churn/second-3c4d"))


def test_a_later_run_finds_the_run_that_waits_and_its_question(asks: RunFolder, behind: RunFolder) -> None:
    waiting = waiting_run(behind)
    assert waiting is not None
    assert waiting.model_dump(exclude={"asked_at"}) == {
        "run_id": "first", "key": asks.key, "step": "approve", "question": "churn: promote?", "link": LINK,
    }  # fmt: skip


@pytest.mark.parametrize("file", [RESULT_FILE, FAILURE_FILE])
def test_a_run_that_was_answered_waits_no_more(asks: RunFolder, behind: RunFolder, file: str) -> None:
    asks.write_text(file, "{}")
    assert waiting_run(behind) is None


def test_a_record_that_is_removed_twice_is_gone(asks: RunFolder, behind: RunFolder) -> None:
    end_waiting(asks)
    end_waiting(asks)
    assert waiting_run(behind) is None


def test_runs_of_another_pipeline_are_not_behind_it(asks: RunFolder, tmp_path: Path) -> None:
    assert waiting_run(RunFolder.open(str(tmp_path / "runs/bikes/second-3c4d"))) is None


@pytest.mark.parametrize("text", ["{bad", "[1]", "{}"])
def test_a_record_that_cannot_be_read_is_logged_and_counts_as_none(
    asks: RunFolder, behind: RunFolder, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline_folder(asks).write_text(WAITING_FILE, text)
    assert waiting_run(behind) is None
    assert "waiting.json cannot be read; remove it" in caplog.text
