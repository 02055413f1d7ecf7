"""The step `canary`: a part of the traffic, once, and only while the alias names the version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.steps.deployments import KEY
from trainer.errors import PromotionConflictError
from trainer.run.records import CanaryResult


def test_the_version_gets_its_part_and_a_repeated_step_changes_nothing(deployment: Any) -> None:
    deployment.begin(canary_percent=20)
    deployment.stage()
    deployment.step("canary", key=KEY)
    revision = deployment.served.revision
    deployment.step("canary", key=KEY)
    assert deployment.shares == [("1", 80), ("2", 20)]
    assert deployment.served.revision == revision
    assert deployment.run.at("canary").result(CanaryResult).main == "1"


def test_where_no_version_is_in_service_it_gets_all(deployment: Any) -> None:
    deployment.router.target.divide((), deployment.served.revision)
    deployment.stage()
    deployment.step("canary", key=KEY)
    assert deployment.shares == [("2", 100)]
    assert deployment.run.at("canary").result(CanaryResult).main == ""


def test_an_alias_that_has_moved(deployment: Any) -> None:
    deployment.stage()
    deployment.client.set_registered_model_alias(deployment.model, "production", "1")
    with pytest.raises(PromotionConflictError, match="named version 2 when this run started, and names version 1 now"):
        deployment.step("canary", key=KEY)
    assert deployment.shares == [("1", 100)]
