"""Sampling: the share asked for, of every class, and the same rows each time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trainer.tables.sampling import sample_rows


def sample_of(frame: pl.DataFrame, ratio: float, seed: int, stratify_by: str | None) -> pl.DataFrame:
    rows, whole = sample_rows(frame.lazy(), ratio, seed, stratify_by)
    assert whole == frame.height
    return rows.collect()


FRAME = pl.DataFrame({
    "id": range(1000),
    "y": np.random.default_rng(3).choice(["no", "yes", "rare"], 1000, p=[0.75, 0.245, 0.005]).tolist(),
})


def test_classes_keep_their_proportions() -> None:
    sample = sample_of(FRAME, 0.2, seed=1, stratify_by="y")
    all_rows, kept = (dict(frame["y"].value_counts().iter_rows()) for frame in (FRAME, sample))
    assert kept == {label: int(np.ceil(0.2 * count)) for label, count in all_rows.items()}


def test_no_class_gets_lost() -> None:
    assert set(sample_of(FRAME, 0.001, seed=1, stratify_by="y")["y"]) == {"no", "yes", "rare"}


@pytest.mark.parametrize("stratify_by", ["y", None], ids=["classification", "regression"])
def test_the_sample_follows_from_the_seed_and_keeps_the_order(stratify_by: str | None) -> None:
    sample = sample_of(FRAME, 0.3, seed=7, stratify_by=stratify_by)
    assert sample.equals(sample_of(FRAME, 0.3, seed=7, stratify_by=stratify_by))
    assert not sample.equals(sample_of(FRAME, 0.3, seed=8, stratify_by=stratify_by))
    assert sample["id"].is_sorted()
    assert sample.columns == FRAME.columns


def test_without_classes_the_share_is_that_of_all_rows() -> None:
    sample = sample_of(FRAME, 0.25, seed=1, stratify_by=None)
    assert sample.height == 250
    assert 400 < float(np.mean(sample["id"].to_numpy())) < 600  # from everywhere, not the first rows


def test_missing_labels_count_as_a_class() -> None:
    frame = pl.DataFrame({"y": ["a", None] * 50})
    assert sample_of(frame, 0.1, seed=1, stratify_by="y")["y"].null_count() == 5
