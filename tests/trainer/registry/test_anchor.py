"""The anchor of production: as it was promoted with, whatever has moved the alias since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trainer.registry.test_history import MODEL, Killed, Mortal, client, promote
from trainer.registry.anchor import ANCHOR_TAG, PROMOTED_AS_TAG, Anchor, anchor_of
from trainer.registry.promotion import release, roll_back
from trainer.registry.versions import PRODUCTION, version_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["client"]


def anchor(client: MlflowClient) -> Anchor:
    production = version_of(client, MODEL, PRODUCTION)
    assert production is not None
    return anchor_of(client, production)


def test_it_follows_the_alias_back_and_forth(client: MlflowClient) -> None:
    promote(client, "1", ground="first")
    assert anchor(client) == Anchor("1")
    promote(client, "2", "1", ground="not_worse", anchor="1")
    assert anchor(client) == Anchor("1")
    promote(client, "3", "2", ground="better")
    assert anchor(client) == Anchor("3")
    roll_back(client, MODEL, "3")
    release(client, MODEL)
    assert anchor(client) == Anchor("1"), "version 2 counts from version 1 again"
    client.set_registered_model_alias(MODEL, PRODUCTION, "3")
    assert anchor(client) == Anchor("3"), "moved by hand to a version that a run has promoted"


def test_what_an_earlier_release_has_promoted_is_its_own_anchor(client: MlflowClient) -> None:
    promote(client, "1")
    assert anchor(client) == Anchor("1")


def test_a_version_that_no_run_has_promoted_has_none(client: MlflowClient) -> None:
    client.set_registered_model_alias(MODEL, PRODUCTION, "2")
    found = anchor(client)
    assert found.version == ""
    assert "production version 2 has no tag trainer.anchor: no run has promoted it; to begin anew" in found.missing


def test_an_anchor_that_was_deleted_is_missed(client: MlflowClient) -> None:
    promote(client, "1", ground="first")
    promote(client, "2", "1", ground="not_worse", anchor="1")
    client.delete_model_version(MODEL, "1")
    assert anchor(client).missing.startswith("version 1, the anchor of production version 2, has been deleted; ")


@pytest.mark.parametrize("writes", range(5))
def test_no_kill_leaves_production_without_its_anchor(client: MlflowClient, writes: int) -> None:
    """The tags are written before the alias moves."""
    promote(client, "1", ground="first")
    with pytest.raises(Killed):
        promote(Mortal(client, writes), "2", "1", ground="not_worse", anchor="1")
    assert anchor(client) == Anchor("1")
    promote(client, "2", "1", ground="not_worse", anchor="1")
    tags = client.get_model_version(MODEL, "2").tags
    assert (tags[PROMOTED_AS_TAG], tags[ANCHOR_TAG]) == ("not_worse", "1")
