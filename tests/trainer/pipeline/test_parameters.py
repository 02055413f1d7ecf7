"""The parameters of one run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.pipeline import RunParameters


def test_by_default_nothing_is_changed() -> None:
    assert RunParameters().model_dump() == {
        "algorithms": None, "tuning": None, "trials": None, "sample_ratio": 1.0, "batch_size": None,
        "epochs": None, "lr": None, "gpu": None, "promote_to": "production", "answer": None, "note": "",
        "triggered_by": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"algorithms": []}, id="no-algorithm"),
        pytest.param({"trials": 0}, id="no-trial"),
        pytest.param({"trials": 10_001}, id="too-many-trials"),
        pytest.param({"sample_ratio": 0}, id="no-row"),
        pytest.param({"sample_ratio": 1.01}, id="more-than-all-rows"),
        pytest.param({"batch_size": 0}, id="empty-batch"),
        pytest.param({"gpu": -1}, id="negative-gpus"),
        pytest.param({"gpu": 65}, id="too-many-gpus"),
        pytest.param({"promote_to": "champion"}, id="unknown-alias"),
        pytest.param({"note": "x" * 1001}, id="long-note"),
        pytest.param({"sample": True}, id="unknown-key"),
    ],
)
def test_bounds(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        RunParameters.model_validate(values)
