"""The target is one of two classes, of which one is looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.labels import as_label, find_class
from trainer.pipeline import did_you_mean
from trainer.problems.calibration import reliability
from trainer.problems.class_figures import BINARY_FIGURES
from trainer.problems.classification import Classification, found_classes, label_texts
from trainer.problems.cut_off import choose_cut_off
from trainer.problems.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.pipeline import CutOff
    from trainer.plots.drawing import Drawing
    from trainer.problems.problem import Array
    from trainer.tables.row_subset import ChosenRows

BOTH = 2
UNQUOTED = '; YAML reads Yes and No without quotes as true and false: write "Yes"'


class BinaryClassification(Classification):
    """The target is one of two classes; a probability from the cut-off on makes a row positive."""

    name = "binary_classification"
    names_positive = True
    figures = BINARY_FIGURES
    leak_measure = "ROC-AUC"
    dimensions = 1

    def undefined(self, predictions: Predictions) -> set[str]:
        """Areas where all rows are of one class; recall and F1 of the positive class where no row is positive."""
        found = super().undefined(predictions)
        if (predictions.truth == predictions.positive).any():
            return found
        return {*found, "positive_recall", "positive_f1_score"}

    def class_mistakes(self, target: str, classes: list[Any], positive: Any) -> list[str]:
        if len(classes) != BOTH:
            needed = f"{target!r} needs exactly two values in a binary classification"
            return [f"columns.target: {needed}, and has {found_classes(classes)}; see `problem`"]
        if find_class(classes, positive) is not None:
            return []
        label = as_label(positive)
        known = sorted(map(as_label, classes))
        hint = UNQUOTED if isinstance(positive, bool) else ""
        return [f"columns.positive: {label!r} is none of the values of {target!r}{did_you_mean(label, known)}{hint}"]

    def positive_of(self, classes: tuple[Any, ...], positive: Any) -> Any:
        """The class that is written like `positive`. Raises DataValidationError where there is none."""
        found = find_class(classes, positive)
        if found is None:
            raise DataValidationError(f"columns.positive: {positive!r} is none of the target's values {list(classes)}")
        return found

    def made_up_targets(self, numbers: Array) -> Array:
        import numpy as np

        return np.arange(numbers.size) % BOTH

    def settle(
        self, fitted: FittedPipeline, validation: tuple[ChosenRows, pl.Series] | None, cut_off: float | CutOff | None
    ) -> FittedPipeline:
        """With the cut-off that has the best F1 on the validation rows, or the one that is given."""
        if not isinstance(cut_off, float | int):
            cut_off = _chosen_cut_off(fitted, validation, cut_off)
        return replace(fitted, cut_off=float(cut_off))

    def needed_columns(self, columns: list[str]) -> list[str]:  # noqa: ARG002  (always the same)
        return ["probability"]

    def predictions(self, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:
        truths, predicted = label_texts(truth), label_texts(output["prediction"])
        return Predictions(truths, predicted, output["probability"].to_numpy(), positive=as_label(positive))

    def changes(self, before: pl.DataFrame, after: pl.DataFrame) -> tuple[Array, Array]:
        return before.select("probability").to_numpy(), after.select("probability").to_numpy()

    def score_tree(self, tree: Any, inputs: Array, labels: Array) -> float:
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(labels, tree.predict_proba(inputs)[:, 1]))

    def drawings(self, target: str, challenger: Predictions, production: Predictions | None) -> Iterator[Drawing]:  # noqa: ARG002
        """Confusion matrix, ROC, precision against recall, and calibration."""
        from trainer.plots.judged import calibration_drawing, confusion_drawing, precision_recall_drawing, roc_drawing

        models = {"challenger": challenger} | ({"production": production} if production else {})
        figures = {who: self.defined_figures(model) for who, model in models.items()}
        yield confusion_drawing(models)
        yield roc_drawing(models, figures)
        yield precision_recall_drawing(models, figures)
        yield calibration_drawing({who: reliability(model) for who, model in models.items()})


def _chosen_cut_off(
    fitted: FittedPipeline, validation: tuple[ChosenRows, pl.Series] | None, rule: CutOff | None
) -> float:
    if validation is None:
        raise DataValidationError("there are no validation rows to choose the cut-off on; set some aside, or give one")
    rows, targets = validation
    is_positive = (targets == fitted.positive).to_numpy()
    return choose_cut_off(rule, is_positive, fitted.predict_in_batches(rows)["probability"].to_numpy())
