"""What steps hand over to each other."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from trainer.errors import ModelRefusedError
from trainer.run import RunFolder
from trainer.tables.handover import KEY, PREDICTIONS, largest_difference
from trainer.tables.parquet import write_table


@pytest.mark.parametrize(
    ("trained", "loaded", "expected"),
    [([0.5, 0.25], [0.5, 0.3], 0.05), ([-20_000.0, 3.0], [-20_000.01, 3.0], 5e-7), ([4.0, 1.0], [4.0, 1.0], 0.0)],
    ids=["probabilities", "sums of many floats", "the same"],
)
def test_large_answers_are_compared_by_their_share(
    trained: list[float], loaded: list[float], expected: float, tmp_path: Path
) -> None:
    folder, keys = RunFolder.open(str(tmp_path)).at("refit"), pl.Series(["a", "b"])
    write_table(folder, PREDICTIONS, pl.DataFrame({KEY: keys, "prediction": trained}))
    found = largest_difference(folder, keys.reverse(), pl.DataFrame({"prediction": loaded[::-1]}))
    assert found == pytest.approx(expected)
    with pytest.raises(ModelRefusedError, match="1 rows have no prediction from training"):
        largest_difference(folder, pl.Series(["c"]), pl.DataFrame({"prediction": [1.0]}))
