"""`trainer rollback`: production returns to the version before, once, and only from where it is expected."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.trainer.serving.router_world import DIGEST, RouterWorld
from trainer.__main__ import main
from trainer.registry.anchor import REPLACES_TAG
from trainer.registry.origin import MODEL_DIGEST_TAG
from trainer.registry.promotion import ROLLED_BACK_TAG, rollback_of
from trainer.registry.versions import PREVIOUS, PRODUCTION, aliases_of

MODEL = "churn-predictor"


@pytest.fixture
def promoted(client: MlflowClient, register: Any) -> MlflowClient:
    """Production is version 2, and version 1 was before it."""
    for key in ("run-1", "run-2", "run-3"):
        register(key)
    client.set_registered_model_alias(MODEL, PRODUCTION, "2")
    client.set_registered_model_alias(MODEL, PREVIOUS, "1")
    return client


def test_production_returns_once_however_often_it_is_asked(promoted: MlflowClient, capsys: Any) -> None:
    assert main(["rollback", MODEL, "--from", "2"]) == 0
    assert re.fullmatch(
        rf"{MODEL}: production 2 → 1; a rollback from version 2 to 1 holds since \S+: no run promotes over it\. "
        rf"To let runs promote again: trainer rollback {MODEL} --release\n",
        capsys.readouterr().out,
    )
    assert aliases_of(promoted, MODEL) == {PRODUCTION: "1", PREVIOUS: "1"}
    assert promoted.get_model_version(MODEL, "2").tags[ROLLED_BACK_TAG] == "1"
    assert main(["rollback", MODEL, "--from", "2"]) == 0
    assert capsys.readouterr().out.startswith(
        f"{MODEL}: production is version 1 already; nothing moved; a rollback from"
    )
    assert aliases_of(promoted, MODEL) == {PRODUCTION: "1", PREVIOUS: "1"}


def test_a_rollback_is_released_once(promoted: MlflowClient, capsys: Any) -> None:
    assert main(["rollback", MODEL, "--release"]) == 0
    assert capsys.readouterr().out == f"{MODEL}: no rollback holds; nothing changed\n"
    main(["rollback", MODEL, "--from", "2"])
    capsys.readouterr()
    assert main(["rollback", "--release", MODEL]) == 0
    assert capsys.readouterr().out == f"{MODEL}: the rollback from version 2 to 1 is released: runs may promote again\n"
    assert rollback_of(promoted, MODEL) is None


def test_what_somebody_moved_back_elsewhere_holds_as_well(promoted: MlflowClient) -> None:
    promoted.set_registered_model_alias(MODEL, PRODUCTION, "1")
    main(["rollback", MODEL, "--from", "2"])
    held = rollback_of(promoted, MODEL)
    assert held is not None
    assert (held.left, held.to) == ("2", "1")


def test_a_version_that_was_deleted_is_nothing_to_go_back_to(promoted: MlflowClient, caplog: Any) -> None:
    promoted.delete_registered_model_alias(MODEL, PREVIOUS)
    promoted.set_model_version_tag(MODEL, "2", REPLACES_TAG, "1")
    promoted.delete_model_version(MODEL, "1")
    assert main(["rollback", MODEL, "--from", "2"]) == 2
    assert f"{MODEL} has no version '1'; there are the versions 2, 3" in caplog.text
    assert rollback_of(promoted, MODEL) is None


def test_a_rollback_is_released_without_a_production_too(promoted: MlflowClient, capsys: Any) -> None:
    main(["rollback", MODEL, "--from", "2"])
    promoted.delete_registered_model_alias(MODEL, PRODUCTION)
    assert main(["rollback", MODEL, "--release"]) == 0
    assert rollback_of(promoted, MODEL) is None


def test_it_goes_back_to_what_the_promotion_recorded(promoted: MlflowClient) -> None:
    promoted.set_model_version_tag(MODEL, "2", REPLACES_TAG, "3")
    main(["rollback", MODEL, "--from", "2"])
    assert aliases_of(promoted, MODEL) == {PRODUCTION: "3", PREVIOUS: "3"}


def test_it_does_not_move_what_somebody_has_moved(promoted: MlflowClient, caplog: pytest.LogCaptureFixture) -> None:
    promoted.set_registered_model_alias(MODEL, PRODUCTION, "3")
    assert main(["rollback", MODEL, "--from", "2"]) == 4
    assert "production is version 3, not 2; somebody moved it. Nothing moves" in caplog.text
    assert aliases_of(promoted, MODEL) == {PRODUCTION: "3", PREVIOUS: "1"}


@pytest.mark.parametrize(
    ("arrange", "asked", "said"),
    [
        (lambda client: client.delete_registered_model_alias(MODEL, PREVIOUS), "2", "no alias 'previous_production'; there are the aliases production → 2"),
        (lambda client: client.delete_registered_model_alias(MODEL, PRODUCTION), "2", "no alias 'production'"),
        (lambda client: client.set_registered_model_alias(MODEL, PREVIOUS, "2"), "2", "nothing was production before version 2: nothing to go back to"),
        (lambda client: client.set_registered_model_alias(MODEL, PREVIOUS, "2"), "9", "has no version '9'; there are the versions 1, 2, 3"),
    ],
    ids=["nothing-before", "no-production", "gone-back-already", "no-such-version"],
)  # fmt: skip
def test_where_there_is_nothing_to_go_back_to(
    promoted: MlflowClient, caplog: pytest.LogCaptureFixture, arrange: Any, asked: str, said: str
) -> None:
    arrange(promoted)
    before = aliases_of(promoted, MODEL)
    assert main(["rollback", MODEL, "--from", asked]) == 2
    assert said in caplog.text
    assert aliases_of(promoted, MODEL) == before


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.ERROR):
        assert main(["rollback", MODEL, "--from", "2"]) == 1
    assert "MLflow cannot be asked" in caplog.text


def test_the_version_before_answers_requests_at_once(
    promoted: MlflowClient, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_SERVING", f"local://{tmp_path}")
    router = RouterWorld(tmp_path, MODEL)
    router.behaves("1")
    router.open()
    try:
        for version in "12":
            promoted.set_model_version_tag(MODEL, version, MODEL_DIGEST_TAG, DIGEST)
        router.serves(("2", 100))
        for _ in range(2):  # again, as after a kill
            assert main(["rollback", MODEL, "--from", "2"]) == 0
        said = capsys.readouterr().out
        assert f"{MODEL}: version 1 answers all requests at a router on this machine" in said
        assert f"{MODEL}: version 2 answers no requests at a router on this machine" in said
        assert router.ask().headers["x-model-version"] == "1"
    finally:
        router.close()
    assert main(["rollback", MODEL, "--from", "2"]) == 0
    assert f"{MODEL}: nothing answers requests at local://{tmp_path}" in capsys.readouterr().out
