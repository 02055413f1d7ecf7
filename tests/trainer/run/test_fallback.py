"""Which model goes on answering, as the failure's message and the mail say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.run import RunFolder
from trainer.run.fallback import fall_back, needs_store
from trainer.run.records import DriftResult, Failure, PromoteResult

MOVED = {"production": "8", "previous_production": "7"}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that found version 7 in production."""
    folder = RunFolder.open(str(tmp_path / "churn" / "key-1"))
    folder.at("detect_drift").finish(DriftResult(status="stable", reference_version="7"))
    return folder


def failed(run: RunFolder, step: str) -> None:
    run.at(step).fail(Failure(step=step, error="OutageError", message="away", exit_code=1))


def test_before_the_promotion_production_stays(run: RunFolder) -> None:
    assert fall_back(run.at("train")) == fall_back(run) == "production stays version 7"


def test_before_it_was_asked_for_its_version_is_not_known(tmp_path: Path) -> None:
    assert fall_back(RunFolder.open(str(tmp_path / "key-2"))).startswith("production stays what it was")


def test_a_promotion_that_did_not_end_may_have_moved_it(run: RunFolder) -> None:
    failed(run, "promote")
    assert fall_back(run).startswith("the move to production did not end; before it production was version 7. ")


def test_after_the_promotion_the_new_version_stays(run: RunFolder) -> None:
    run.at("promote").finish(PromoteResult(model="churn", version="8", aliases=MOVED))
    assert fall_back(run) == "the promotion stands: production is version 8"
    told = fall_back(run.at("publish_features"))
    assert told.startswith(
        "the promotion stands: production is version 8. Services read what features were there before"
    )
    failed(run, "publish_features")
    assert fall_back(run) == told


def test_a_promotion_to_staging_leaves_production(run: RunFolder) -> None:
    run.at("promote").finish(PromoteResult(model="churn", version="8", aliases={"production": "7", "staging": "8"}))
    assert fall_back(run) == "production stays version 7"


@pytest.mark.parametrize(
    ("step", "exit_code", "expected"),
    [("publish_features", 1, True), ("publish_features", 2, True), ("publish_features", 3, False), ("train", 1, False)],
)
def test_only_publishing_needs_no_more_than_a_store(step: str, exit_code: int, expected: bool) -> None:
    assert needs_store(Failure(step=step, error="E", message="m", exit_code=exit_code)) == expected
