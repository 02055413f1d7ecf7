"""A record is tied to the records that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.records import change_record
from trainer.errors import StepNotDoneError
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.execute import execute
from trainer.run.made_from import digest_of
from trainer.run.records import AnyResult, Result

Step = Callable[[Pipeline, RunFolder], Result]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "churn" / "run-1"))


@pytest.fixture
def chain(run: RunFolder, small_churn: Pipeline) -> Callable[..., None]:
    """Run a step that reads the records of other steps."""

    def at(path: str) -> RunFolder:
        name, _, algorithm = path.partition("/")
        return run.at(name, algorithm)

    def step(name: str, *reads: str) -> None:
        def work(_: Pipeline, folder: RunFolder) -> Result:
            for path in reads:
                at(path).result(AnyResult)
            return Result()

        execute(work, small_churn, at(name))

    return step


def test_a_record_says_what_it_was_made_from(run: RunFolder, chain: Callable[..., None]) -> None:
    chain("tune/forest")
    chain("evaluate", "tune/forest")
    record = run.at("tune", "forest").read_text("result.json")
    assert run.at("tune", "forest").result(AnyResult).made_from == {}
    assert run.at("evaluate").result(AnyResult).made_from == {"tune/forest": digest_of(record)}


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            "train",
            r"step 'decide' has to run again: its record was made from a record of 'train' that has been replaced",
        ),
        ("ingest", r"step 'train' has to run again: its record was made from a record of 'ingest' that has been"),
    ],
)
def test_a_record_with_a_newer_source_is_refused(
    replaced: str, message: str, run: RunFolder, chain: Callable[..., None]
) -> None:
    chain("ingest")
    chain("train", "ingest")
    chain("decide", "train")
    chain("accept", "decide")
    chain(replaced)
    with pytest.raises(StepNotDoneError, match=message):
        chain("accept", "decide")
    failure = run.at("accept").failure()
    assert failure is not None
    assert failure.exit_code == 2


def test_a_source_that_is_gone_is_refused(run: RunFolder, chain: Callable[..., None]) -> None:
    chain("ingest")
    chain("train", "ingest")
    run.filesystem.rm_file(run.at("ingest").path("result.json"))
    with pytest.raises(StepNotDoneError, match="made from a record of 'ingest' that is no longer there"):
        chain("decide", "train")


def test_a_record_that_is_read_for_people_is_not_refused(run: RunFolder, chain: Callable[..., None]) -> None:
    chain("ingest")
    chain("train", "ingest")
    chain("ingest")
    assert run.at("train").result(AnyResult).made_from
    assert run.at("train").result_or_none(AnyResult) is not None


def test_the_tests_own_changes_keep_records_tied(run: RunFolder, chain: Callable[..., None]) -> None:
    chain("ingest")
    chain("train", "ingest")
    chain("decide", "train")
    change_record(run.at("ingest"), cores=7.0)
    chain("promote", "decide")
