"""The step `promote`: aliases move once, in an order that a retry cannot spoil, and never under somebody's feet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.records import change_record
from trainer.errors import ConfigurationError, PromotionConflictError, StepNotDoneError
from trainer.registry.anchor import ANCHOR_TAG, PROMOTED_AS_TAG
from trainer.registry.history import history_of
from trainer.registry.promotion import release, roll_back
from trainer.registry.versions import PREVIOUS, PRODUCTION, STAGING, aliases_of
from trainer.run import RunFolder
from trainer.run.made_from import digest_of
from trainer.run.records import PromoteResult

FIRST = {PRODUCTION: "1", STAGING: "1"}
SECOND = {PRODUCTION: "2", STAGING: "2", PREVIOUS: "1"}


def aliases(runs: Any) -> dict[str, str]:
    return aliases_of(runs.client, runs.model)


@pytest.fixture
def second(accepted: Any) -> Any:
    """Version 1 is production; a second run has registered version 2, and decided to promote it."""
    accepted.step("promote")
    evaluation = accepted.folder.at("evaluate").read_text("result.json")
    folder = accepted.another("run-2")
    folder.at("evaluate").write_text("result.json", evaluation)
    accepted.step("register", key="run-2")
    for step in ("decide", "accept"):
        folder.at(step).write_text("result.json", accepted.folder.at(step).read_text("result.json"))
    change_record(folder.at("decide"), compared_with="1")
    change_record(folder.at("accept"), version="2", made_from={"register": record_digest(folder, "register")})
    return accepted


def record_digest(folder: RunFolder, step: str) -> str:
    return digest_of(folder.at(step).read_text("result.json"))


def test_the_first_promotion(accepted: Any) -> None:
    accepted.step("promote")
    assert aliases(accepted) == FIRST
    result = accepted.folder.at("promote").result(PromoteResult)
    assert (result.model, result.version, result.aliases) == (accepted.model, "1", FIRST)


def test_the_second_promotion_keeps_the_way_back(second: Any) -> None:
    second.step("promote", key="run-2")
    assert aliases(second) == SECOND


@pytest.mark.parametrize(
    ("dies_at", "left"),
    [
        (PRODUCTION, {PRODUCTION: "1", PREVIOUS: "3", STAGING: "2"}),
        (PREVIOUS, {PRODUCTION: "2", PREVIOUS: "3", STAGING: "2"}),
    ],
)
def test_the_way_back_survives_a_kill_between_the_aliases(
    dies_at: str, left: dict[str, str], second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = second.client.create_model_version(
        second.model, second.client.get_model_version(second.model, "1").source
    )
    second.client.set_registered_model_alias(second.model, PREVIOUS, earlier.version)
    set_alias = MlflowClient.set_registered_model_alias

    def die(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if alias == dies_at:
            raise ConnectionError("the server is gone")
        set_alias(client, name, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", die)
        with pytest.raises(ConnectionError):
            second.step("promote", key="run-2")
    assert aliases(second) == left
    if left[PRODUCTION] == "2":
        roll_back(second.client, second.model, "2")
        assert aliases(second) == {PRODUCTION: "1", PREVIOUS: "1", STAGING: "2"}


def test_a_promotion_leaves_its_ground_and_its_anchor_with_the_version(second: Any) -> None:
    second.step("promote", key="run-2")
    tags = second.client.get_model_version(second.model, "2").tags
    assert (tags[PROMOTED_AS_TAG], tags[ANCHOR_TAG]) == ("first", "2"), "as the copied decision says"


@pytest.mark.parametrize(("ground", "anchor"), [("not_worse", "1"), ("better", "2"), ("", "2")])
def test_only_a_version_promoted_as_not_worse_keeps_the_anchor_of_its_decision(
    ground: str, anchor: str, second: Any
) -> None:
    """A decision of an earlier release says no ground: it knew the rule `better` only."""
    change_record(second.at("run-2").at("decide"), promoted_as=ground, anchor="1")
    second.step("promote", key="run-2")
    entry = history_of(second.client, second.model)[-1]
    assert (entry.promoted_as, entry.anchor) == (ground or "better", anchor)


def test_a_rollback_holds_until_it_is_released(second: Any) -> None:
    second.step("promote", key="run-2")
    roll_back(second.client, second.model, "2")
    before = aliases(second)
    with pytest.raises(PromotionConflictError, match=r"a rollback from version 2 to 1 holds since .* --release"):
        second.step("promote", key="run-2")
    assert aliases(second) == before == {PRODUCTION: "1", PREVIOUS: "1", STAGING: "2"}
    assert "is released: runs may promote again" in release(second.client, second.model)
    second.step("promote", key="run-2")
    assert aliases(second) == SECOND


def test_an_older_decision_promotes_nothing(second: Any) -> None:
    folder = second.at("run-2").at("evaluate")
    folder.write_json("result.json", {**json.loads(folder.read_text("result.json")), "seconds": 0.5})
    with pytest.raises(StepNotDoneError, match=r"step '\w+' has to run again: its record was made from .* 'evaluate'"):
        second.step("promote", key="run-2")
    assert aliases(second) == FIRST


def test_promoted_again_nothing_changes(second: Any) -> None:
    for _ in range(3):
        second.step("promote", key="run-2")
        assert aliases(second) == SECOND


@pytest.mark.parametrize(
    "done",
    [{STAGING: "2"}, {STAGING: "2", PRODUCTION: "2"}, {STAGING: "2", PRODUCTION: "2", PREVIOUS: "1"}],
    ids=["after-staging", "after-production", "after-previous"],
)
def test_a_killed_try_is_finished_by_the_next(second: Any, done: dict[str, str]) -> None:
    for alias, version in done.items():
        second.client.set_registered_model_alias(second.model, alias, version)
    second.step("promote", key="run-2")
    assert aliases(second) == SECOND


def test_production_that_somebody_moved_stays_where_it_is(second: Any) -> None:
    third = second.client.create_model_version(second.model, second.client.get_model_version(second.model, "1").source)
    second.client.set_registered_model_alias(second.model, PRODUCTION, third.version)
    before = aliases(second)
    with pytest.raises(
        PromotionConflictError, match="compared with version 1, and now production is version 3"
    ) as raised:
        second.step("promote", key="run-2")
    assert aliases(second) == before == {PRODUCTION: "3", STAGING: "1"}
    assert raised.value.exit_code == 4


def test_production_that_somebody_removed_is_not_replaced(second: Any) -> None:
    second.client.delete_registered_model_alias(second.model, PRODUCTION)
    with pytest.raises(PromotionConflictError, match="compared with version 1, and now production is no version"):
        second.step("promote", key="run-2")
    assert aliases(second) == {STAGING: "1"}


def test_a_first_promotion_does_not_push_aside_what_came_in_between(second: Any) -> None:
    folder = second.at("run-2")
    change_record(folder.at("decide"), compared_with="")
    with pytest.raises(PromotionConflictError, match="compared with no version, and now production is version 1"):
        second.step("promote", key="run-2")
    assert aliases(second) == FIRST


def test_a_run_may_go_to_staging_only(second: Any) -> None:
    staging = second.at("run-2").pipeline().for_run({"promote_to": "staging"})
    second.client.set_registered_model_alias(second.model, PRODUCTION, "2")  # somebody's business
    second.client.set_registered_model_alias(second.model, PRODUCTION, "1")
    second.step("promote", key="run-2", pipeline=staging)
    assert aliases(second) == {PRODUCTION: "1", STAGING: "2"}


def test_a_run_that_may_not_promote_moves_nothing(accepted: Any) -> None:
    kept_back = accepted.frozen.for_run({"promote_to": "none"})
    with pytest.raises(ConfigurationError, match="this run promotes nothing"):
        accepted.step("promote", pipeline=kept_back)
    assert aliases(accepted) == {}


def test_nothing_is_promoted_that_was_not_accepted(accepted: Any) -> None:
    accepted.folder.at("accept")._remove("result.json")
    with pytest.raises(StepNotDoneError, match="step 'accept' is not done"):
        accepted.step("promote")
    assert aliases(accepted) == {}
