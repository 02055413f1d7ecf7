"""Training rows: many are never numbers all at once, and few are so only once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.inference.fitted import TabularPreparation, fit_preparation
from trainer.pipeline import Features, Preprocess
from trainer.tables import row_subset
from trainer.tables.row_subset import ChosenRows
from trainer.training.training_rows import HeldRows, StreamedRows, training_rows

COUNT = 500
RANDOM = np.random.default_rng(4)
TABLE = pl.DataFrame({
    "number": pl.Series(RANDOM.normal(size=COUNT)).set(pl.Series(np.arange(COUNT) % 7 == 0), None),
    "kind": RANDOM.choice(["a", "b", "c"], COUNT).tolist(),
})
IS_TRAINING = pl.Series([number % 5 != 0 for number in range(COUNT)])
ROWS = ChosenRows(TABLE.lazy(), IS_TRAINING)
TARGETS = RANDOM.normal(size=400)


@pytest.fixture(scope="module")
def preparation() -> TabularPreparation:
    features = Features(fit={"usual": "median(number)"}, derive={"beyond": "number - usual"})
    return fit_preparation(features, Preprocess(), ROWS.lazy())


def test_lazy_rows_are_prepared_as_those_in_memory(preparation: TabularPreparation) -> None:
    features = Features(fit={"usual": "median(number)"}, derive={"beyond": "number - usual"})
    eager = fit_preparation(features, Preprocess(), TABLE.filter(IS_TRAINING))
    assert eager.inputs == preparation.inputs
    assert eager.features == preparation.features
    assert vars(eager.preprocessor) == vars(preparation.preprocessor)


@pytest.mark.parametrize(("batch", "kind"), [(400, HeldRows), (399, StreamedRows)])
def test_rows_are_streamed_where_they_are_more_than_a_batch(
    preparation: TabularPreparation, batch: int, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_subset, "BATCH_ROWS", batch)
    rows = training_rows(preparation, ROWS, TARGETS)
    assert isinstance(rows, kind)
    assert rows.is_streamed == (kind is StreamedRows)


def test_streamed_rows_are_those_in_memory(preparation: TabularPreparation, monkeypatch: pytest.MonkeyPatch) -> None:
    held = training_rows(preparation, ROWS, TARGETS)
    monkeypatch.setattr(row_subset, "BATCH_ROWS", 64)
    streamed = training_rows(preparation, ROWS, TARGETS)
    for _ in range(2):  # XGBoost asks several times
        matrices, targets = zip(*streamed.batches(), strict=True)
        assert max(len(matrix) for matrix in matrices) <= 64
        assert np.array_equal(np.concatenate(matrices), held.matrix)
        assert np.array_equal(np.concatenate(targets), held.targets)
    assert np.array_equal(streamed.matrix, held.matrix)
    [(matrix, targets_of_all)] = held.batches()
    assert matrix is held.matrix
    assert targets_of_all is held.targets


@pytest.mark.parametrize("count", [300, 30])
def test_some_of_them_are_the_same_rows_with_their_targets(
    preparation: TabularPreparation, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = RANDOM.permutation(400)[:count]
    held = training_rows(preparation, ROWS, TARGETS).some(places)
    monkeypatch.setattr(row_subset, "BATCH_ROWS", 64)
    streamed = training_rows(preparation, ROWS, TARGETS).some(places)
    assert streamed.is_streamed == (count > 64)
    order = np.argsort(places)
    assert np.array_equal(streamed.matrix, held.matrix[order])
    assert np.array_equal(streamed.targets, held.targets[order])


def test_no_more_than_a_batch_is_transformed(preparation: TabularPreparation, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = TabularPreparation.transform

    def transform(self: TabularPreparation, frame: pl.DataFrame) -> Any:
        seen.append(frame.height)
        return real(self, frame)

    monkeypatch.setattr(row_subset, "BATCH_ROWS", 64)
    monkeypatch.setattr(TabularPreparation, "transform", transform)
    rows = training_rows(replace(preparation), ROWS, TARGETS)
    assert seen == []
    assert sum(len(targets) for _, targets in rows.batches()) == sum(seen) == 400
    assert max(seen) <= 64
