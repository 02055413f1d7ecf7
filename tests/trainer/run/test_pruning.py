"""Pruning: what is kept and why, and that a folder half removed is never read as a done run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.conftest import changed
from trainer.errors import ConfigurationError, StepNotDoneError
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.latest import mark_latest
from trainer.run.pruning import MARKER, Rules, StoredRun, remove, stored_runs, user_of, why_kept
from trainer.run.records import (
    ApprovalResult,
    DecisionResult,
    Failure,
    MonitorResult,
    PublishScoresResult,
    RegisterResult,
    ReportResult,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WATCHED: dict[str, Any] = {
    "scoring": {"source": {"KIND": "csv", "uri": "new.csv"}, "output": {"KIND": "parquet", "uri": "scores"}},
    "monitoring": {},
}
Made = Callable[..., RunFolder]


@pytest.fixture
def made(tmp_path: Path, churn: Pipeline) -> Made:
    """Makes a run folder whose files are so many days old."""

    def make(key: str, days: float = 100, *, pipeline: str = "churn", finished: bool = True) -> RunFolder:
        run = RunFolder.open(str(tmp_path / "runs" / pipeline / key))
        fill(run, churn, finished=finished)
        when = (NOW - timedelta(days=days)).timestamp()
        for path in run.filesystem.find(run.root):
            os.utime(path, (when, when))
        return run

    return make


def fill(run: RunFolder, churn: Pipeline, *, finished: bool = True) -> None:
    run.write_text("pipeline.yaml", churn.to_yaml())
    run.at("ingest").write_text("snapshot.parquet", "rows" * 1000)
    run.at("register").finish(RegisterResult(model="m", version="1", created=True))
    if finished:
        run.at("report").finish(ReportResult(outcome="promoted", summary=""))


def kept(store: Path, **rules: Any) -> dict[str, str]:
    """Why each run is kept, by name."""
    chosen = Rules(**{"now": NOW, "keep_days": 30, "keep_last": 0, "in_use": {}, **rules})
    return {run.name: reason for run, reason in why_kept(stored_runs(str(store)), chosen)}


def test_the_runs_of_a_store_are_found_newest_first(made: Made, tmp_path: Path) -> None:
    made("old", days=90)
    made("new", days=2, finished=False)
    mark_latest(made("other", days=50, pipeline="housing"))
    (tmp_path / "runs" / "churn" / "notes").mkdir()
    (tmp_path / "runs" / "churn" / "notes" / "by-hand.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "runs" / "readme.txt").write_text("mine", encoding="utf-8")
    runs = stored_runs(str(tmp_path / "runs"))
    assert [(run.name, run.finished, run.half_removed) for run in runs] == [
        ("churn/new", False, False), ("housing/other", True, False), ("churn/old", True, False),
    ]  # fmt: skip
    assert runs[0].changed_at == NOW - timedelta(days=2)
    assert runs[0].megabytes > 0.004


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no artifact store .*/runz; name one with --store"):
        stored_runs(str(tmp_path / "runz"))


def test_a_run_that_waits_for_an_approval_stays_however_old(made: Made, tmp_path: Path) -> None:
    """Nobody else is waiting in a run whose decision asks nobody, is answered, or whose run has come to its end."""
    decision = DecisionResult(outcome="promote", reason="", compared_with="7", winner="xgboost", asks=["borderline"])
    answered = ApprovalResult(outcome="keep", source="person", reason="alice kept production")
    waiting, done, unasked, over = (
        made(name, finished=name == "over") for name in ("waiting", "done", "unasked", "over")
    )
    for run in (waiting, done, over):
        run.at("decide").finish(decision)
    unasked.at("decide").finish(decision.model_copy(update={"asks": []}))
    done.at("approve").finish(answered)
    for run in (waiting, done, unasked, over):
        for path in run.filesystem.find(run.root):
            os.utime(path, (0, 0))
    assert kept(tmp_path / "runs") == {
        "churn/waiting": "it waits for a person's approval", "churn/done": "", "churn/unasked": "", "churn/over": "",
    }  # fmt: skip


def test_scored_rows_stay_until_a_look_has_taken_them(made: Made, tmp_path: Path, churn: Pipeline) -> None:
    for key, days in (("scoring-taken", 80), ("scoring-new", 80), ("scoring-old", 91), ("scoring-plain", 80)):
        run = made(key, finished=False)
        run.at("publish_scores").finish(PublishScoresResult(output="", rows=1, replaced=None))
        if key != "scoring-plain":
            run.write_text("pipeline.yaml", changed(churn, **WATCHED).to_yaml())
        _age(run, days)
    look = made("monitoring-1", finished=False)
    result = MonitorResult(looks=[], taken=["scoring-taken"], judged="", page="", mlflow_run="")
    look.at("monitor").finish(result)
    _age(look, 79)
    assert kept(tmp_path / "runs") == {
        "churn/monitoring-1": "", "churn/scoring-taken": "", "churn/scoring-old": "", "churn/scoring-plain": "",
        "churn/scoring-new": "no look has taken its scored rows yet, which one may for 90 days",
    }  # fmt: skip


def _age(run: RunFolder, days: float) -> None:
    when = (NOW - timedelta(days=days)).timestamp()
    for path in run.filesystem.find(run.root):
        os.utime(path, (when, when))


def test_old_runs_may_go_and_young_ones_stay(made: Made, tmp_path: Path) -> None:
    made("old", days=30.1)
    made("young", days=29.9)
    assert kept(tmp_path / "runs") == {"churn/young": "younger than 30 days", "churn/old": ""}


def test_the_newest_of_each_pipeline_stay(made: Made, tmp_path: Path) -> None:
    for number in range(3):
        made(f"run-{number}", days=100 + number)
    for number in range(2):
        made(f"scoring-{number}", days=50 + number)
    made("only", days=500, pipeline="housing")
    reason = "among the 1 newest of its pipeline"
    assert kept(tmp_path / "runs", keep_last=1) == {
        "churn/scoring-0": reason, "churn/scoring-1": "",  # which keep no training run from staying
        "churn/run-0": reason, "churn/run-1": "", "churn/run-2": "", "housing/only": reason,
    }  # fmt: skip


def test_a_scoring_run_is_finished_when_its_rows_are_published(made: Made, tmp_path: Path) -> None:
    made("scoring-1", days=6, finished=False)
    run = made("scoring-2", days=6, finished=False)
    run.at("publish_scores").finish(PublishScoresResult(output="scores", rows=1, replaced=0))
    RunFolder.open(str(tmp_path / "runs" / "churn" / "scoring-3")).at("start_scoring").fail(
        Failure(step="start_scoring", error="ConfigurationError", message="", exit_code=2)
    )
    found = {run.folder.key: run.finished for run in stored_runs(str(tmp_path / "runs"))}
    assert found == {"scoring-1": False, "scoring-2": True, "scoring-3": False}


def test_an_unfinished_run_stays_for_a_week(made: Made, tmp_path: Path) -> None:
    made("running", days=6, finished=False)
    made("left", days=8, finished=False)
    made("done", days=6)
    reason = "unfinished, and younger than 7 days"
    assert kept(tmp_path / "runs", keep_days=0) == {"churn/running": reason, "churn/done": "", "churn/left": ""}


def test_one_new_file_makes_a_run_young(made: Made, tmp_path: Path) -> None:
    """A task of an old run that was cleared writes into its folder again."""
    run = made("cleared", days=300)
    os.utime(run.at("register").path("result.json"), (NOW.timestamp(), NOW.timestamp()))
    assert kept(tmp_path / "runs") == {"churn/cleared": "younger than 30 days"}


@pytest.mark.parametrize(
    "address",
    [
        "{root}",
        "file://{root}/ingest/snapshot.parquet",
        "s3://elsewhere/store/churn/wanted/engineer_features/keys.parquet",
        "/mnt/the-same-store/churn/wanted/",
    ],
)
def test_what_a_version_with_an_alias_came_from_stays(made: Made, tmp_path: Path, address: str) -> None:
    """Wherever the store lay when the tag was written."""
    run = made("wanted")
    made("wanted-2")
    made("wanted", pipeline="housing")
    in_use = {address.format(root=run.root): "churn-predictor version 3 (production)"}
    assert kept(tmp_path / "runs", in_use=in_use) == {
        "churn/wanted": "churn-predictor version 3 (production) came from it", "churn/wanted-2": "", "housing/wanted": "",
    }  # fmt: skip


def test_the_latest_run_stays(made: Made, tmp_path: Path) -> None:
    mark_latest(made("newest-by-link", days=200))
    made("other", days=100)
    assert kept(tmp_path / "runs") == {"churn/other": "", "churn/newest-by-link": "`latest` points at it"}


def test_a_run_whose_age_is_not_known_stays(made: Made) -> None:
    undated = StoredRun("churn", made("undated"), 1, None, finished=True, half_removed=False)
    [(_, reason)] = why_kept([undated], Rules(NOW, 0, 0, {}))
    assert reason == "the store does not say how old it is"


def test_a_run_in_use_is_not_confused_with_one_whose_name_begins_alike(made: Made) -> None:
    [run] = [StoredRun("churn", made("key-1"), 1, NOW, finished=True, half_removed=False)]
    assert user_of(run, {"/runs/churn/key-1": "x"}) == "x"
    assert user_of(run, {"/runs/churn/key-11": "x", "/runs/old-churn/key-1": "x", "/runs/churn": "x"}) == ""


class Killed(BaseException):
    """What ends a process at once."""


class Dying(LocalFileSystem):  # type: ignore[misc]
    """A file system on which the process dies after so many removals."""

    cachable = False

    def __init__(self, removals: int) -> None:
        super().__init__()
        self.left = removals

    def rm_file(self, path: str) -> None:
        self._or_die()
        super().rm_file(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        self._or_die()
        super().rm(path, recursive=recursive, maxdepth=maxdepth)

    def _or_die(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


@pytest.mark.parametrize("removals", range(6))
def test_killed_at_any_point_it_is_no_done_run_and_goes_the_next_time(
    made: Made, tmp_path: Path, removals: int
) -> None:
    run = made("doomed")
    with pytest.raises(Killed):
        remove(RunFolder.open(run.root, Dying(removals)))
    if removals:
        with pytest.raises(StepNotDoneError):
            run.pipeline()
        everything_there = run.filesystem.exists(run.at("ingest").path("snapshot.parquet"))
        results = [run.at("register").result_or_none(RegisterResult), run.at("report").result_or_none(ReportResult)]
        assert everything_there or results == [None, None]
    found = kept(tmp_path / "runs", keep_days=10_000, keep_last=10)
    if removals == 5:
        assert found == {}  # empty folders, and nothing in them
    else:
        assert found == {"churn/doomed": "" if removals else "younger than 10000 days"}
    remove(run)
    assert not Path(run.root).exists()


def test_a_run_that_was_started_anew_after_a_half_removal_is_a_run(made: Made, tmp_path: Path, churn: Pipeline) -> None:
    run = made("again")
    with pytest.raises(Killed):
        remove(RunFolder.open(run.root, Dying(2)))
    run.write_text("pipeline.yaml", churn.to_yaml())
    assert kept(tmp_path / "runs", now=datetime.now(UTC)) == {"churn/again": "younger than 30 days"}


@pytest.fixture
def bucket(s3_bucket: str, churn: Pipeline) -> Iterator[str]:
    store = f"s3://{s3_bucket}/store"
    for key in ("one", "two"):
        fill(RunFolder.open(f"{store}/churn/{key}"), churn)
    yield store
    fsspec.filesystem("s3").clear_instance_cache()


def test_an_object_store_is_pruned_alike(bucket: str) -> None:
    later = Rules(datetime.now(UTC) + timedelta(days=31), 30, 0, {f"{bucket}/churn/two": "m version 1 (production)"})
    decided = {run.name: (run, reason) for run, reason in why_kept(stored_runs(bucket), later)}
    assert {name: reason for name, (_, reason) in decided.items()} == {
        "churn/one": "", "churn/two": "m version 1 (production) came from it",
    }  # fmt: skip
    remove(decided["churn/one"][0].folder)
    assert [run.name for run in stored_runs(bucket)] == ["churn/two"]
    assert not decided["churn/one"][0].folder.filesystem.exists(f"{bucket}/churn/one/{MARKER}")
