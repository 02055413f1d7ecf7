"""The step `move_production`: an approved request moves what its run decided to promote, or back, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.records import change_record
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, ModelRefusedError, PromotionConflictError, StepNotDoneError
from trainer.registry.anchor import REPLACES_TAG
from trainer.registry.history import history_of
from trainer.registry.promotion import rollback_of
from trainer.registry.tracking import PIPELINE_TAG
from trainer.registry.versions import PREVIOUS, PRODUCTION, RUN_FOLDER_TAG, aliases_of
from trainer.run import RunFolder, request_key
from trainer.run.records import MoveProductionResult, PromoteResult, RequestResult

REASON = "ann asked for this through an agent tool; bob approved it: go on"


@pytest.fixture
def judged(accepted: Any) -> Any:
    """A run that has accepted version 1; the version's tag names this copy of its folder."""
    accepted.client.set_model_version_tag(accepted.model, "1", RUN_FOLDER_TAG, accepted.folder.at("").uri_of())
    return accepted


def request(runs: Any, move: Any = "promotion", version: str = "1") -> RunFolder:
    """Return the folder of a request that a person has approved."""
    folder: RunFolder = runs.at(request_key(f"{move} {version}"))
    folder.at("approve_request").finish(
        RequestResult(move=move, model=runs.model, version=version, reason=REASON, by="bob", answered_at="2026-01-01")
    )
    return folder


def move(runs: Any, folder: RunFolder) -> MoveProductionResult:
    run_step("move_production", folder, runs.pipeline)
    return folder.at("move_production").result(MoveProductionResult)


def test_an_accepted_version_becomes_production_and_later_runs_compare_with_it(judged: Any) -> None:
    folder = request(judged)
    done = move(judged, folder)
    assert done.said == f"{judged.model}: production no version → version 1"
    assert done.aliases == {PRODUCTION: "1"}
    [entry] = history_of(judged.client, judged.model)
    assert (entry.kind, entry.version, entry.by, entry.promoted_as) == ("promotion", "1", folder.uri_of(), "first")
    assert entry.why.startswith(f"{REASON}; ")
    assert judged.folder.at("promote").result(PromoteResult).version == "1"
    assert "already" in move(judged, folder).said
    assert len(history_of(judged.client, judged.model)) == 1


def test_production_returns_to_the_version_before(judged: Any) -> None:
    move(judged, request(judged))
    source = judged.client.get_model_version(judged.model, "1").source
    tags = {PIPELINE_TAG: judged.pipeline.name, REPLACES_TAG: "1"}
    judged.client.create_model_version(judged.model, source, tags=tags)
    judged.client.set_registered_model_alias(judged.model, PRODUCTION, "2")
    move(judged, request(judged, "rollback", "2"))
    assert aliases_of(judged.client, judged.model) == {PRODUCTION: "1", PREVIOUS: "1"}
    last = history_of(judged.client, judged.model)[-1]
    assert (last.kind, last.before, last.version, last.why) == ("rollback", "2", "1", REASON)
    assert rollback_of(judged.client, judged.model) is not None
    with pytest.raises(ConfigurationError, match="version 2: no run has registered it"):
        move(judged, request(judged, "promotion", "2"))


def refused(runs: Any) -> None:
    change_record(runs.folder.at("decide"), outcome="keep")


def moved_since(runs: Any) -> None:
    change_record(runs.folder.at("decide"), compared_with="7")


def not_accepted(runs: Any) -> None:
    runs.folder.at("accept").begin()


def of_another(runs: Any) -> None:
    runs.client.set_model_version_tag(runs.model, "1", PIPELINE_TAG, "another")


def not_approved(runs: Any) -> None:
    runs.at(request_key("promotion 1")).at("approve_request").begin()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (refused, ModelRefusedError, "its run decided to keep, not to promote"),
        (moved_since, PromotionConflictError, "the decision compared with version 7, and now production is no version"),
        (not_accepted, ModelRefusedError, "its run has not come to its end"),
        (of_another, ConfigurationError, "is one of the pipeline 'another', not of 'churn'; ask its own DAG"),
        (not_approved, StepNotDoneError, "approve_request"),
    ],
)
def test_nothing_moves_in_doubt(judged: Any, change: Any, error: type[Exception], message: str) -> None:
    folder = request(judged)
    change(judged)
    with pytest.raises(error, match=message):
        move(judged, folder)
    assert aliases_of(judged.client, judged.model) == {}
