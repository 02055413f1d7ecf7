"""The history of production: complete after kills, and true about what somebody moved by hand."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from trainer.errors import ConfigurationError
from trainer.registry import promotion
from trainer.registry.history import Entry, Move, history_of
from trainer.registry.promotion import release, roll_back, to_production
from trainer.registry.tracking import connect, ensure_experiment
from trainer.registry.versions import PRODUCTION

MODEL = "churn-predictor"
WRITES = (
    "set_registered_model_tag",
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_tag",
)


class Free:
    """A lock that nobody else wants."""

    def check(self) -> None:
        """Hold."""


class Killed(BaseException):
    """The end of a process."""


class Mortal:
    """A client that is killed instead of its n-th write."""

    def __init__(self, client: MlflowClient, writes: int) -> None:
        self._client, self._left = client, writes

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            if self._left == 0:
                raise Killed
            self._left -= 1
        return getattr(self._client, name)


@pytest.fixture
def client(surroundings: object, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A registry with three versions, none of which is production."""
    monkeypatch.setattr(promotion, "person", lambda: "alice on here")
    made = connect()
    logged = made.create_logged_model(ensure_experiment(made, "churn"), name="model")
    made.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    made.create_registered_model(MODEL)
    for _ in range(3):
        made.create_model_version(MODEL, logged.model_uri, model_id=logged.model_id)
    return made


def promote(client: Any, version: str, before: str = "", *, ground: str = "", anchor: str = "") -> None:
    """Promote a version; without a ground, as a release did that knew none."""
    counts_from = anchor or version if ground else ""
    move = Move(
        kind="promotion", before=before, version=version, by=f"run-{version}", why="better", promoted_as=ground,
        anchor=counts_from,
    )  # fmt: skip
    to_production(client, MODEL, move, Free())  # type: ignore[arg-type]


def moves(client: MlflowClient) -> list[tuple[str, str, str, bool]]:
    return [(entry.kind, entry.before, entry.version, entry.completed) for entry in history_of(client, MODEL)]


def test_promotions_rollbacks_and_releases_appear_in_order(client: MlflowClient) -> None:
    promote(client, "1")
    promote(client, "2", "1")
    roll_back(client, MODEL, "2")
    release(client, MODEL)
    entries = history_of(client, MODEL)
    assert moves(client) == [
        ("promotion", "", "1", True), ("promotion", "1", "2", True), ("rollback", "2", "1", True), ("release", "1", "1", True),
    ]  # fmt: skip
    assert [entry.by for entry in entries] == ["run-1", "run-2", "alice on here", "alice on here"]
    assert [entry.why for entry in entries[:2]] == ["better", "better"]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert [entry.until for entry in entries] == [entries[1].at, entries[2].at, "", ""]


def test_the_ground_of_a_promotion_and_its_anchor_are_part_of_it(client: MlflowClient) -> None:
    promote(client, "1", ground="first")
    promote(client, "2", "1", ground="not_worse", anchor="1")
    assert [(entry.promoted_as, entry.anchor) for entry in history_of(client, MODEL)] == [
        ("first", "1"), ("not_worse", "1"),
    ]  # fmt: skip


def test_a_model_without_production_has_no_history(client: MlflowClient) -> None:
    assert history_of(client, MODEL) == []


def test_a_move_in_mlflow_itself_is_found(client: MlflowClient) -> None:
    promote(client, "1")
    client.set_registered_model_alias(MODEL, PRODUCTION, "3")
    promote(client, "2", "3")
    client.delete_registered_model_alias(MODEL, PRODUCTION)
    assert moves(client) == [
        ("promotion", "", "1", True), ("by hand", "1", "3", True), ("promotion", "3", "2", True), ("by hand", "2", "", True),
    ]  # fmt: skip
    first, by_hand, second, _ = history_of(client, MODEL)
    assert (first.until, by_hand.until, second.until) == ("unknown", second.at, "unknown")


def test_production_of_an_earlier_release_is_found(client: MlflowClient) -> None:
    client.set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert moves(client) == [("by hand", "", "1", True)]
    promote(client, "2", "1")
    assert moves(client) == [("by hand", "", "1", True), ("promotion", "1", "2", True)]


@pytest.mark.parametrize("writes", range(6))
def test_a_promotion_that_was_killed_and_tried_again_appears_once(client: MlflowClient, writes: int) -> None:
    promote(client, "1")
    try:
        promote(Mortal(client, writes), "2", "1")
    except Killed:
        promote(client, "2", "1")
    assert moves(client) == [("promotion", "", "1", True), ("promotion", "1", "2", True)]


@pytest.mark.parametrize("writes", range(6))
def test_a_rollback_that_was_killed_and_tried_again_appears_once(client: MlflowClient, writes: int) -> None:
    promote(client, "1")
    promote(client, "2", "1")
    try:
        roll_back(Mortal(client, writes), MODEL, "2")
    except Killed:
        roll_back(client, MODEL, "2")
    assert moves(client)[2:] == [("rollback", "2", "1", True)]


def test_a_promotion_that_was_cut_off_for_good_did_not_take_effect(client: MlflowClient) -> None:
    promote(client, "1")
    with pytest.raises(Killed):
        promote(Mortal(client, 2), "2", "1")  # its record is written, and its alias is not
    assert moves(client)[1:] == [("promotion", "1", "2", False)]
    promote(client, "3", "1")
    assert moves(client)[1:] == [("promotion", "1", "2", False), ("promotion", "1", "3", True)]
    assert history_of(client, MODEL)[0].until == history_of(client, MODEL)[2].at


def test_a_long_reason_fits_into_mlflow(client: MlflowClient) -> None:
    move = Move(kind="promotion", before="", version="1", by="run-1", why="ü" * 9000)
    to_production(client, MODEL, move, Free())  # type: ignore[arg-type]
    (entry,) = history_of(client, MODEL)
    assert entry.why == "ü" * 2000


def test_a_model_that_is_not_there(client: MlflowClient) -> None:
    with pytest.raises(ConfigurationError, match="there is no registered model 'churn'"):
        history_of(client, "churn")


def test_an_entry_is_plain_data() -> None:
    entry = Entry("promotion", "", "1", "run-1", "better", "2026-11-30T12:00:00.000+00:00", completed=True)
    assert (entry.until, entry.completed) == ("", True)
