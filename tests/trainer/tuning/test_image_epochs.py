"""The rows that a search over networks holds out."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.errors import DataValidationError
from trainer.tuning.image_epochs import _held_out


def test_each_class_has_its_share_of_the_rows_held_out() -> None:
    kept, held = _held_out(np.repeat([0, 1], 50), seed=1)
    assert sorted([*kept, *held]) == [*range(100)]
    assert [int((held < 50).sum()), int((held >= 50).sum())] == [5, 5]


@pytest.mark.parametrize("codes", [np.arange(20) // 2, np.array([*19 * [0], 1])], ids=["many classes", "one image"])
def test_too_few_rows_of_a_class_are_told(codes: np.ndarray) -> None:
    with pytest.raises(DataValidationError, match="tuning: 10% of 20 training rows cannot be held out, with each of"):
        _held_out(codes, seed=1)
