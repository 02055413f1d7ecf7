"""An experiment behind the router: sticky units, which are noted at once, and survive a kill."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.trainer.serving.router_world import RouterWorld
from trainer.errors import ConfigurationError, OutageError
from trainer.serving import exposures
from trainer.serving.exposures import JOURNAL, Exposures
from trainer.serving.state import served_versions
from trainer.serving.traffic import Share, place_of

SALT = "salt of the test"
HALVES = Share(version="1", percent=50), Share(version="2", percent=50)


@pytest.fixture
def router(router: RouterWorld, monkeypatch: pytest.MonkeyPatch) -> RouterWorld:
    """A router with version 1 in service, and version 2 without traffic."""
    monkeypatch.setattr(exposures, "BETWEEN_BATCHES", 0.05)
    router.serves(("1", 100), ("2", 0))
    return router


def begin(world: RouterWorld, name: str = "plans") -> None:
    world.target.begin_experiment(name, HALVES, SALT, world.target.state().revision)


def noted(world: RouterWorld) -> dict[str, str]:
    """The arms of units in the database."""
    with sqlite3.connect(world.home / "experiments.db") as connection:
        return dict(connection.execute("SELECT unit, arm FROM experiment_units"))


def arm(unit: str) -> str:
    return "b" if place_of(unit, SALT) >= 0.5 else "a"


def test_units_keep_their_version_and_are_in_the_database_within_a_moment(router: RouterWorld) -> None:
    router.ask("before")
    begin(router)
    begin(router)  # changes nothing
    assert router.target.state().experiment == "plans"
    units = [f"unit {number}" for number in range(20)] + ["Zoë", "Łukasz"]
    for unit in units * 2:
        answer = router.ask(unit.encode())  # type: ignore[arg-type]
        assert answer.headers["x-model-version"] == {"a": "1", "b": "2"}[arm(unit)]
    router.ask()
    router.target.end_experiment("plans")
    assert noted(router) == {unit: arm(unit) for unit in units}
    assert Counter(noted(router).values()).keys() == {"a", "b"}
    router.target.end_experiment("plans")
    router.ask("after")
    state = router.target.state()
    assert ([(one.version, one.percent) for one in state.shares], state.experiment) == ([("1", 100)], "")
    assert "after" not in noted(router)
    assert served_versions(router.home) == {("churn", one): "its router serves it" for one in "12"}


def test_a_unit_belongs_to_its_arm_whichever_version_answers_and_to_none_if_none_does(router: RouterWorld) -> None:
    begin(router)
    in_b = [unit for unit in map(str, range(30)) if arm(unit) == "b"][:3]
    router.behaves("2", status=500)
    assert router.ask(in_b[0]).headers["x-model-version"] == "1"
    router.behaves("2", status=400)
    assert router.ask(in_b[1]).status_code == 400
    answer = router.ask("x" * 257)
    assert (answer.status_code, answer.json()["message"]) == (
        400, "X-Unit-Id has 257 characters; at most 256 are allowed",
    )  # fmt: skip
    router.target.end_experiment("plans")
    assert noted(router) == {in_b[0]: "b"}


def test_what_was_noted_before_a_kill_and_while_the_database_was_away_comes_later(router: RouterWorld) -> None:
    away = router.home / "experiments.db"
    away.mkdir()
    begin(router)
    router.ask("unit 1")
    with pytest.raises(OutageError, match=r"the database of experiments \(sqlite:.*\) does not answer"):
        router.target.end_experiment("plans")
    assert router.target.state().experiment == ""
    router.close()
    (router.folder / JOURNAL).write_text('["plans", "unit 2", "b", 5.0]\n["plans", "uni\n')  # a process was killed
    away.rmdir()
    router.open()
    ends = time.monotonic() + 10
    while not away.exists() or noted(router).keys() != {"unit 1", "unit 2"}:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_disk_that_is_full_costs_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = Exposures(tmp_path / "gone", keep=None)
    found.note("plans", "unit 1", "a")
    assert "unit 'unit 1' of experiment plans cannot be noted" in caplog.text
    (tmp_path / "gone").mkdir()
    found.note("plans", "unit 1", "a")
    found.note("plans", "unit 1", "a")
    assert (tmp_path / "gone" / JOURNAL).read_text().count("\n") == 1


def test_nothing_else_divides_the_traffic_meanwhile(router: RouterWorld) -> None:
    begin(router)
    router.behaves("3")
    router.target.start("3", router.digest)
    with pytest.raises(ConfigurationError, match="the experiment plans divides the traffic already; end it first"):
        begin(router, "other")
    with pytest.raises(ConfigurationError, match="end it first: trainer experiment end plans"):
        router.serves(("1", 90), ("3", 10))
    assert router.target.state().shares == HALVES
    router.target.end_experiment("other")  # which does not run
    assert router.target.state().shares == HALVES


def test_a_canary_or_another_version_in_service_keeps_an_experiment_away(router: RouterWorld) -> None:
    router.serves(("1", 90), ("2", 10))
    with pytest.raises(ConfigurationError, match="version 2 is on trial as a canary"):
        begin(router)
    router.serves(("2", 100), ("1", 0))
    with pytest.raises(ConfigurationError, match="version 2 is in service, not version 1"):
        begin(router)
    router.serves(("1", 100))
    router.target.remove("2")
    with pytest.raises(ConfigurationError, match="version 2 does not run"):
        begin(router)
    assert [one.version for one in router.target.state().shares] == ["1"]


def test_a_router_that_is_started_again_goes_on_with_the_experiment(router: RouterWorld) -> None:
    begin(router)
    router.close()
    router.open()
    assert router.target.state().experiment == "plans"
    router.ask("unit 1")
    router.target.end_experiment("plans")
    assert noted(router) == {"unit 1": arm("unit 1")}
