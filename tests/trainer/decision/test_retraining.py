"""Looks that ask for a training run, and every reason for which none is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.world import churn_document
from trainer.decision.retraining import ask_for_training, decide_retraining, retrain_by_hand, trimmed
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, Retrain, pipeline_of
from trainer.run import RunFolder
from trainer.run.records import (
    LookEvidence,
    MonitorResult,
    Production,
    RetrainingDecision,
    StartMonitoringResult,
    VersionLook,
)
from trainer.run.trigger import TRIGGER_FILE, Trigger, keep_trigger, last_trigger

BEGIN = datetime(2026, 3, 2, 7, tzinfo=UTC)
RULE = Retrain.model_validate({"when": {"performance_drop": 0.02, "drift_share": 0.3}})
SECTIONS: dict[str, Any] = {
    "scoring": {"source": {"KIND": "csv", "uri": "new.csv"}, "output": {"KIND": "parquet", "uri": "scores"}},
    "monitoring": {"labels": {"KIND": "csv", "uri": "labels.csv"}},
    "retrain": RULE.model_dump(),
}


def at(week: float) -> str:
    return (BEGIN + timedelta(weeks=week)).isoformat(timespec="microseconds")


PRODUCTION = Production(model="m", version="3", since=at(-10))


def look(week: int, drop: float | None = None, bound: float | None = None, drift: float | None = 0.0) -> LookEvidence:
    return LookEvidence(
        look=f"look-{week}", started_at=at(week), performance_drop=drop, drop_bound=bound, drift_share=drift
    )


def bad(week: int) -> LookEvidence:
    return look(week, 0.03, 0.01)


def good(week: int) -> LookEvidence:
    return look(week, 0.0, -0.02)


def decided(*looks: LookEvidence, rule: Retrain = RULE, **given: Any) -> RetrainingDecision:
    known = {"production": PRODUCTION, "last": None, "now": looks[-1].started_at if looks else at(0), **given}
    return decide_retraining(rule, looks, **known)


@pytest.mark.parametrize(
    ("looks", "counted"),
    [
        pytest.param([bad(0), good(1), bad(2)], ["look-0", "look-2"], id="two of three"),
        pytest.param([bad(0), bad(1)], ["look-0", "look-1"], id="two of two"),
        pytest.param([bad(0), look(1), bad(2), look(3)], ["look-0", "look-2"], id="looks without labels take no place"),
        pytest.param([look(0, drift=0.3), look(1, drift=None), look(2, drift=0.5)], ["look-0", "look-2"], id="drift"),
    ],
)
def test_enough_looks_ask_for_a_training_run(looks: list[LookEvidence], counted: list[str]) -> None:
    found = decided(*looks)
    assert (found.retrain, found.counted) == (True, counted)
    assert found.reason.startswith(f"2 of {len([one for one in looks if counts_for(found, one)])} looks count for ")
    assert found.production == PRODUCTION


def counts_for(found: RetrainingDecision, one: LookEvidence) -> bool:
    return getattr(one, found.condition) is not None


@pytest.mark.parametrize(
    ("looks", "given", "reason"),
    [
        pytest.param([bad(0)], {}, "1 of 1 looks count for performance_drop >= 0.02 (+0.03), 2 of 3 needed", id="one"),
        pytest.param([bad(0), good(1), good(2), bad(3)], {}, "1 of 3 looks count", id="too long ago"),
        pytest.param([bad(0), look(1, drift=0.5)], {}, "1 of 1 looks count for performance_drop", id="mixed conditions"),
        pytest.param([look(0, 0.03, 0.0), look(1, 0.03, -0.001)], {}, "0 of 2", id="within the error of both figures"),
        pytest.param([look(0, 0.019, 0.01), look(1, 0.019, 0.01)], {}, "0 of 2", id="real and small"),
        pytest.param([look(0, 0.5), look(1, 0.5)], {}, "0 of 2", id="looks of an earlier release, without a bound"),
        pytest.param([look(0, drift=0.29), look(1, drift=0.29)], {}, "0 of 2 looks count for drift_share", id="drift"),
        pytest.param([bad(0), bad(1)], {"production": None}, "no version is production", id="no production"),
        pytest.param(
            [bad(0), bad(1)], {"last": Trigger(look="look-0", look_started_at=at(0), asked_at=at(-9))},
            "1 of 1 looks count", id="evidence of an earlier request",
        ),
        pytest.param(
            [bad(0), bad(1)], {"last": Trigger(look="look", look_started_at=at(-1), asked_at=at(0.01))},
            "2 of 2 looks count for performance_drop >= 0.02 (+0.03, +0.03), and until 2026-03-09 08:40 UTC no",
            id="cooldown after a request",
        ),
        pytest.param(
            [bad(0), bad(1)], {"production": PRODUCTION.model_copy(update={"since": at(0.5)})},
            "and until 2026-03-12 19:00 UTC no training run is started again", id="cooldown after a promotion",
        ),
    ],
)  # fmt: skip
def test_a_training_run_is_not_started(looks: list[LookEvidence], given: dict[str, Any], reason: str) -> None:
    found = decided(*looks, **given)
    assert not found.retrain
    assert reason in found.reason


def test_the_cooldown_ends_on_time_and_a_move_by_hand_begins_none() -> None:
    promoted = PRODUCTION.model_copy(update={"since": at(0)})
    assert decided(bad(0), bad(1), production=promoted, now=at(1)).retrain
    assert not decided(bad(0), bad(1), production=promoted, now=at(0.999)).retrain
    assert decided(bad(0), bad(1), production=PRODUCTION.model_copy(update={"since": ""})).retrain


def test_only_looks_that_can_count_are_kept() -> None:
    looks = [bad(0), look(1, drift=None), bad(2), look(3), bad(4), look(5)]
    assert [one.look for one in trimmed(RULE, looks)] == ["look-0", "look-2", "look-3", "look-4", "look-5"]


@dataclass
class Airflow:
    """The answers of a scheduler."""

    reason: str = ""
    events: list[str] = field(default_factory=list)

    def has_event(self, look: str) -> bool:
        return look in self.events

    def busy(self, folder: RunFolder) -> str:
        return self.reason


def finished(store: Path, week: int, *evidence: LookEvidence) -> RunFolder:
    """Return the step `retrain` of a finished look."""
    run = RunFolder.open(f"{store}/look-{week}")
    start = StartMonitoringResult(
        started_at=at(week), airflow_run_id="", image="", output="", labels="", since="", earlier=[]
    )
    run.at("start_monitoring").finish(start)
    version = VersionLook(model="m", version="3", runs=[], rows=0)
    known = {"production": PRODUCTION, "retraining": decided(*evidence)}
    run.at("monitor").finish(MonitorResult(looks=[version], taken=[], judged="", page="", mlflow_run="", **known))
    return run.at("retrain")


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of(churn_document(**SECTIONS))


def test_a_request_is_written_down_before_it_is_sent_and_never_sent_twice(tmp_path: Path, pipeline: Pipeline) -> None:
    airflow, run = Airflow(), finished(tmp_path, 1, bad(0), bad(1))
    first = ask_for_training(pipeline, run, airflow)
    kept = last_trigger(run)
    assert (first.outcome, first.sends_event) == ("started", True)
    assert kept is not None
    assert (kept.look, kept.look_started_at, kept.confirmed) == ("look-1", at(1), False)
    killed = ask_for_training(pipeline, run, airflow)  # Airflow has not got it: the try before was killed
    assert (killed.outcome, killed.sends_event) == ("started", True)
    airflow.events.append("look-1")
    cleared = ask_for_training(pipeline, run, airflow)
    assert (cleared.outcome, cleared.sends_event) == ("started", False)
    airflow.events.clear()  # Airflow's own records are cleaned at some time
    assert ask_for_training(pipeline, run, airflow).sends_event is False
    later = finished(tmp_path, 2, bad(0), bad(1), bad(2))
    assert ask_for_training(pipeline, later, airflow).outcome == "not_needed"


def test_a_request_that_airflow_never_got_does_not_use_up_the_evidence(tmp_path: Path, pipeline: Pipeline) -> None:
    ask_for_training(pipeline, finished(tmp_path, 1, bad(0), bad(1)), Airflow())
    later = finished(tmp_path, 2, bad(0), bad(1), good(2))
    busy = ask_for_training(pipeline, later, Airflow("a run is active"))
    assert (busy.outcome, last_trigger(later)) == ("held_back", None)
    assert busy.reason.endswith("and no training run can start: a run is active. The next look tries again")
    found = ask_for_training(pipeline, finished(tmp_path, 3, bad(1), good(2), bad(3)), Airflow())
    assert (found.outcome, found.decision.counted) == ("started", ["look-1", "look-3"])


def test_by_hand_nothing_is_started_and_nothing_used_up(tmp_path: Path, pipeline: Pipeline) -> None:
    run = finished(tmp_path, 1, bad(0), bad(1))
    found = retrain_by_hand(pipeline, run)
    assert found.outcome == "would_start"
    assert "a scheduler would start a training run; without one, start it yourself" in found.reason
    assert last_trigger(run) is None
    assert retrain_by_hand(pipeline, finished(tmp_path, 2, good(2))).outcome == "not_needed"
    with pytest.raises(ConfigurationError, match="has no section `retrain`"):
        retrain_by_hand(pipeline_of(churn_document()), run)


def test_a_request_that_cannot_be_read_stops_the_decision(tmp_path: Path, pipeline: Pipeline) -> None:
    run = finished(tmp_path, 1, bad(0), bad(1))
    keep_trigger(run, Trigger(look="look-0", look_started_at=at(0), asked_at=at(0)))
    (tmp_path / TRIGGER_FILE).write_text("{")
    with pytest.raises(
        ConfigurationError, match=r"(?s)retraining.json cannot be read, .* restore the file, or remove it"
    ):
        ask_for_training(pipeline, run, Airflow())
