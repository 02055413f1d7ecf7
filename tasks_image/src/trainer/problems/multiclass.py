"""The target is one of several classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.inference.labels import as_label
from trainer.problems.class_figures import MULTICLASS_FIGURES
from trainer.problems.classification import Classification, found_classes, label_texts
from trainer.problems.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.plots.drawing import Drawing
    from trainer.problems.problem import Array

PER_CLASS = "probability_"
"""What the columns of a model's output that hold the probability of each class begin with."""
FEWEST, SEVERAL = 2, 3


class MulticlassClassification(Classification):
    """The target is one of several classes, each with its probability."""

    name = "multiclass_classification"
    figures = MULTICLASS_FIGURES
    leak_measure = "balanced accuracy"
    dimensions = 2

    def class_mistakes(self, target: str, classes: list[Any], positive: Any) -> list[str]:  # noqa: ARG002
        if len(classes) >= FEWEST:
            return []
        return [f"columns.target: {target!r} needs at least two values to tell apart, and has {found_classes(classes)}"]

    def made_up_targets(self, numbers: Array) -> Array:
        import numpy as np

        return np.arange(numbers.size) % SEVERAL

    def needed_columns(self, columns: list[str]) -> list[str]:
        return ["probability", *(name for name in columns if name.startswith(PER_CLASS))]

    def predictions(self, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:  # noqa: ARG002
        columns = _class_columns(output)
        classes = tuple(as_label(name.removeprefix(PER_CLASS)) for name in columns)
        shares = output.select(columns).to_numpy()
        return Predictions(label_texts(truth), label_texts(output["prediction"]), shares, classes)

    def changes(self, before: pl.DataFrame, after: pl.DataFrame) -> tuple[Array, Array]:
        columns = _class_columns(before)
        return before.select(columns).to_numpy(), after.select(columns).to_numpy()

    def score_tree(self, tree: Any, inputs: Array, labels: Array) -> float:
        from sklearn.metrics import balanced_accuracy_score

        return float(balanced_accuracy_score(labels, tree.predict(inputs)))

    def drawings(self, target: str, challenger: Predictions, production: Predictions | None) -> Iterator[Drawing]:  # noqa: ARG002
        """Confusion matrix, and each class against the rest."""
        from trainer.plots.judged import confusion_drawing, one_versus_rest_drawing

        models = {"challenger": challenger} | ({"production": production} if production else {})
        yield confusion_drawing(models)
        yield one_versus_rest_drawing(challenger)


def _class_columns(output: pl.DataFrame) -> list[str]:
    return [name for name in output.columns if name.startswith(PER_CLASS)]
