"""The bench of the housing pipeline's error."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import housing
from trainer.errors import TrainerError


def test_without_the_published_file_there_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housing, "FILE", tmp_path / "housing.csv")
    with pytest.raises(TrainerError, match=r"housing\.csv is not there: make data"):
        housing.housing_error()
