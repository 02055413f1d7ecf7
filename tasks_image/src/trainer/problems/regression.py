"""The target is a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ModelRefusedError
from trainer.problems.number_figures import NUMBER_FIGURES
from trainer.problems.predictions import Predictions
from trainer.problems.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import polars as pl

    from trainer.plots.drawing import Drawing
    from trainer.problems.problem import Array

EXAMPLES = 5


class Regression(Problem):
    """The target is a number."""

    name = "regression"
    has_classes = False
    figures = NUMBER_FIGURES
    usual_metric = "rmse"
    leak_measure = "R²"
    dimensions = 0

    def check_shape(self, predictions: Predictions) -> None:
        super().check_shape(predictions)
        types = predictions.truth.dtype, predictions.predicted.dtype
        if not {kind.kind for kind in types} <= set("iuf"):
            raise ModelRefusedError(f"regression needs numbers; truth is {types[0]}, predictions are {types[1]}")

    def undefined(self, predictions: Predictions) -> set[str]:
        """R² of equal targets; MAPE where all are 0."""
        found = {"r2"} if (predictions.truth == predictions.truth[0]).all() else set()
        return found if predictions.truth.any() else {*found, "mape"}

    def target_mistakes(self, target: pl.Series, positive: Any) -> list[str]:  # noqa: ARG002  (the pipeline names none)
        where = f"columns.target: {target.name!r}"
        if not target.dtype.is_numeric():
            return [f"{where} is {target.dtype}, and a regression predicts numbers; give it a type under source.types"]
        infinite = target.is_infinite()
        if not infinite.any():
            return []
        rows = ", ".join(f"row {index + 1}" for index in infinite.arg_true().head(EXAMPLES))
        found = f"{infinite.sum()} of {len(target)} rows"
        return [f"{where} is infinite in {found}, such as {rows}; mend or leave out these"]

    def classes_of(self, targets: pl.Series) -> tuple[Any, ...]:  # noqa: ARG002  (numbers have none)
        return ()

    def encode(self, targets: pl.Series, classes: tuple[Any, ...]) -> np.ndarray:  # noqa: ARG002  (numbers have none)
        import polars as pl

        return targets.cast(pl.Float64).to_numpy()

    def estimator(self, *, of_numbers: Any, of_classes: Any) -> Any:  # noqa: ARG002
        return of_numbers

    def made_up_targets(self, numbers: Array) -> Array:
        """Above 0, as some objectives ask for."""
        import numpy as np

        made: Array = np.exp(numbers)
        return made

    def needed_columns(self, columns: list[str]) -> list[str]:  # noqa: ARG002  (always the same)
        return ["prediction"]

    def predictions(self, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:  # noqa: ARG002
        import polars as pl

        return Predictions(truth.cast(pl.Float64).to_numpy(), output["prediction"].cast(pl.Float64).to_numpy(), None)

    def changes(self, before: pl.DataFrame, after: pl.DataFrame) -> tuple[Array, Array]:
        return before.select("prediction").to_numpy(), after.select("prediction").to_numpy()

    def score_alone(self, inputs: Array, targets: Array, *, depth: int, leaf: int, seed: int) -> float:
        from sklearn.metrics import r2_score
        from sklearn.tree import DecisionTreeRegressor

        half = len(targets) // 2
        tree = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=leaf, random_state=seed)
        return float(r2_score(targets[half:], tree.fit(inputs[:half], targets[:half]).predict(inputs[half:])))

    def drawings(self, target: str, challenger: Predictions, production: Predictions | None) -> Iterator[Drawing]:
        from trainer.plots.residuals import residual_drawing

        yield residual_drawing(target, challenger, production)
