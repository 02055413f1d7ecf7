"""Until when production has learned, by its snapshot and its keys."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.registry.reference import known_keys, learned_until
from trainer.registry.versions import Reference
from trainer.tables.handover import KEY, PART
from trainer.tables.parquet import file_digest

DAYS = pl.DataFrame({"day": ["2026-01-03", "2026-01-02", "2026-01-05", "2026-01-04"], "x": [1, 2, 3, 4]})
ROWS = DAYS.with_columns(day=pl.col("day").str.to_date())


def known(folder: Path, parts: list[str]) -> Reference:
    """A version whose run has given its rows these parts."""
    file = folder / "keys.parquet"
    pl.DataFrame({KEY: [str(number) for number in range(len(parts))], PART: parts}).write_parquet(file)
    return Reference("3", "file:///snapshot.parquet", "0" * 64, file.as_uri())


@pytest.mark.parametrize(("last", "day"), [("test", 3), ("validation", 5)])
def test_test_rows_were_not_learned_from(tmp_path: Path, last: str, day: int) -> None:
    reference = known(tmp_path, ["train", "train", last, "test"])
    assert learned_until(reference, ROWS.lazy(), "day") == datetime(2026, 1, day)


@pytest.mark.parametrize(
    ("time", "parts", "message"),
    [
        (
            "dya",
            ["train"] * 4,
            r"under 'dya' in the snapshot of production version 3, and it has none; did you mean 'day'",
        ),
        ("x", ["train"] * 4, "under 'x' in the snapshot of production version 3, and it is Int64; run once with"),
        ("day", ["train"] * 3, r"keys.parquet does not belong to the 4 rows of file:///snapshot.parquet"),
        ("day", ["test"] * 4, "it is not known until when production version 3 has learned"),
    ],
    ids=["absent", "number", "other-rows", "nothing-learned"],
)
def test_what_is_not_known_is_not_guessed(tmp_path: Path, time: str, parts: list[str], message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        learned_until(known(tmp_path, parts), ROWS.lazy(), time)


def test_keys_that_were_changed_after_the_registration_are_refused(tmp_path: Path) -> None:
    plain = known(tmp_path, ["train"] * 4)
    file = tmp_path / "keys.parquet"
    registered = dataclasses.replace(plain, keys_digest=file_digest(file))
    assert known_keys(registered)[PART].to_list() == ["train"] * 4
    known(tmp_path, ["test"] * 4)
    with pytest.raises(DataValidationError, match=r"keys.parquet is not the record of the rows .* its SHA-256 is"):
        known_keys(registered)
