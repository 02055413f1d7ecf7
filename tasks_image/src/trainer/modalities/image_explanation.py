"""Explanation of a network of images: the pixels that count, and the mistakes that it is surest of."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from trainer.modalities.modality import Explained
from trainer.plots.images import MOST_MISTAKES, mistakes_drawing
from trainer.problems import problem_of
from trainer.registry.own_models import load_fitted
from trainer.run.records import Importance
from trainer.tables.handover import PREDICTIONS, rows_of
from trainer.tables.parquet import read_table

if TYPE_CHECKING:
    from trainer.inference.fitted import FittedPipeline
    from trainer.inference.images import ImagePreparation
    from trainer.pipeline import ImagePipeline
    from trainer.plots.drawing import Drawing
    from trainer.run import RunFolder
    from trainer.run.records import EvaluateResult

ROWS = 500
REGIONS = 4
"""An image is cut into so many times so many regions."""
WHY = "SHAP values are computed of trees; of a network the gradient of its answer by each pixel is"


def explain(pipeline: ImagePipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
    """Rank the regions of the images by the gradient of the answer (Simonyan et al. 2014), on validation rows."""
    import numpy as np

    from trainer.plots.images import saliency_drawing

    fitted = load_fitted(evaluation.model_id)
    rows, _, _ = rows_of(pipeline, run, "validation")
    chosen = np.sort(np.random.default_rng(pipeline.tuning.seed).permutation(rows.height)[:ROWS])
    some = rows[chosen]
    preparation = cast("ImagePreparation", fitted.preparation)
    pixels = preparation.transform(some)
    saliency = _saliency(fitted, pixels)
    drawings = [saliency_drawing(pixels.mean(axis=(0, 1)), saliency), *_mistakes(pipeline, run, preparation)]
    unit = "mean |gradient| of the predicted class's score"
    return Explained("saliency", WHY, unit, some.height, _regions(saliency), drawings)


def _mistakes(pipeline: ImagePipeline, run: RunFolder, preparation: ImagePreparation) -> list[Drawing]:
    """The test images that the challenger is surest of, and wrong."""
    import polars as pl

    sure = pl.col("probability")  # of the predicted class, or of the positive one of two
    if problem_of(pipeline.problem).names_positive:
        sure = pl.max_horizontal(sure, 1 - sure)
    answers = read_table(run.at("evaluate"), PREDICTIONS).with_row_index("place").with_columns(sure.alias("sure"))
    wrong = answers.filter(pl.col("truth") != pl.col("prediction")).sort("sure", descending=True)
    if wrong.is_empty():
        return []
    test, _, _ = rows_of(pipeline, run, "test")
    shown = wrong.head(MOST_MISTAKES)
    pixels = preparation.transform(test[shown["place"]])
    sides = (shown[name].to_list() for name in ("truth", "prediction", "sure"))
    return [mistakes_drawing(pixels, list(zip(*sides, strict=True)), wrong.height, answers.height)]


def _saliency(fitted: FittedPipeline, pixels: Any) -> Any:
    """The mean size of the gradient by each pixel (height, width)."""
    import torch

    values = torch.from_numpy(pixels).float().requires_grad_()
    fitted.estimator.scores(values).max(dim=1).values.sum().backward()
    return values.grad.abs().mean(dim=(0, 1)).numpy()


def _regions(saliency: Any) -> list[Importance]:
    import numpy as np

    height, width = saliency.shape
    rows, columns = (np.linspace(0, size, REGIONS + 1).astype(int) for size in (height, width))
    values = {
        f"rows {top} to {bottom - 1}, columns {left} to {right - 1}": float(saliency[top:bottom, left:right].mean())
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    }
    whole = sum(values.values()) or 1.0
    order = sorted(values, key=lambda name: (-values[name], name))
    return [Importance(column=name, value=values[name], share=values[name] / whole) for name in order]
