"""Memory that ran out: how much the next try gets, and that a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.run import RunFolder
from trainer.run.memory import MemoryState, memory_state, note_out_of_memory


@pytest.fixture
def part(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "churn" / "key")).at("train", "xgboost")


@pytest.mark.parametrize(
    ("had", "factor", "most", "memory"),
    [
        ("2Gi", 2.0, "16Gi", "4096Mi"),
        ("12Gi", 2.0, "16Gi", "16384Mi"),
        ("512M", 1.5, "1Gi", "732Mi"),
        ("16Gi", 2.0, "16Gi", None),
        ("20Gi", 2.0, "16Gi", None),
    ],
)
def test_the_next_try_gets_more_up_to_the_most(
    had: str, factor: float, most: str, memory: str | None, part: RunFolder
) -> None:
    noted = note_out_of_memory(part, had, factor, most)
    assert noted == (MemoryState(ran_out_at=had, memory=memory) if memory else None)
    assert memory_state(part) == noted


def test_what_is_known_belongs_to_one_algorithm_of_one_step(part: RunFolder) -> None:
    note_out_of_memory(part, "2Gi", 2.0, "16Gi")
    assert memory_state(part.at("train", "lightgbm")) is None
    assert memory_state(part.at("tune", "xgboost")) is None


def test_the_last_increase_stays_known_where_no_more_can_be_had(part: RunFolder) -> None:
    first = note_out_of_memory(part, "8Gi", 2.0, "16Gi")
    assert note_out_of_memory(part, "16Gi", 2.0, "16Gi") is None
    assert memory_state(part) == first
