"""Figures of images by which two sets of them are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from trainer.inference.images import ImagePreparation

STATISTICS = ("brightness", "contrast", "middle_row", "middle_column")
"""Mean and standard deviation of the pixels, and where the brightness has its middle (share of height and width)."""
AT_ONCE = 5_000


def image_statistics(rows: pl.LazyFrame, preparation: ImagePreparation, target: str) -> pl.DataFrame:
    """The statistics and the target of images (n rows), some of which are held as pixels at a time."""
    import polars as pl

    table = rows.select(preparation.column, target).collect(engine="streaming")
    parts = [_of(table.slice(begin, AT_ONCE), preparation) for begin in range(0, table.height, AT_ONCE)]
    return pl.concat(parts).with_columns(table[target])


def _of(some: pl.DataFrame, preparation: ImagePreparation) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    pixels = preparation.transform(some).mean(axis=1)
    whole = pixels.sum(axis=(1, 2)).clip(min=1)
    rows, columns = (np.linspace(0, 1, size) for size in pixels.shape[1:])
    return pl.DataFrame({
        "brightness": pixels.mean(axis=(1, 2)),
        "contrast": pixels.std(axis=(1, 2)),
        "middle_row": (pixels.sum(axis=2) * rows).sum(axis=1) / whole,
        "middle_column": (pixels.sum(axis=1) * columns).sum(axis=1) / whole,
    })
