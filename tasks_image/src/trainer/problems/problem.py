"""The seam between a problem and everything else: what is predicted, how it is learned, scored and drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from trainer.inference.fitted import FittedPipeline
    from trainer.pipeline import CutOff
    from trainer.plots.drawing import Drawing
    from trainer.problems.figure import Figure
    from trainer.problems.predictions import Predictions
    from trainer.tables.row_subset import ChosenRows

    Array = NDArray[Any]


class Problem(ABC):
    """What is predicted. There is one object for each problem; nothing else asks which one a pipeline has."""

    name: ClassVar[str]
    has_classes: ClassVar[bool]
    """Whether the target is one of some classes, which can be counted, stratified and named."""
    names_positive: ClassVar[bool] = False
    """Whether one of the classes is the positive one, which a pipeline has to name and a cut-off decides on."""
    figures: ClassVar[Mapping[str, Figure]]
    """How each of its metrics is computed, in the order in which they are shown."""
    usual_metric: ClassVar[str]
    """What candidates are compared by where nobody says otherwise."""
    leak_measure: ClassVar[str]
    """What `score_alone` gives, in words."""
    dimensions: ClassVar[int]
    """Of the probabilities that its predictions have, 0 for none."""

    def figure(self, metric: str) -> Figure:
        """How a metric is computed. Raises ConfigurationError for one that does not fit the problem."""
        if metric not in self.figures:
            raise ConfigurationError(f"{self.name} has no metric {metric!r}{did_you_mean(metric, self.figures)}")
        return self.figures[metric]

    def score(self, predictions: Predictions, metrics: Iterable[str] | None = None) -> dict[str, float]:
        """Figures by name, all of the problem by default; a division by zero counts as 0 in precision, recall and F1.

        Raises ConfigurationError for a metric that does not fit the problem, DataValidationError where one is
        undefined, ModelRefusedError for predictions of another problem's shape and for figures too large for a float.
        """
        import numpy as np

        wanted = [self.figure(name) for name in (self.figures if metrics is None else metrics)]
        self.check_shape(predictions)
        with np.errstate(over="ignore"):
            found = {figure.name: float(figure.value(predictions)) for figure in wanted}
        for name, value in found.items():
            if not np.isfinite(value):
                raise ModelRefusedError(f"{name} is {value}: the predictions are too far from the truth for a number")
        return found

    def defined_figures(self, predictions: Predictions) -> dict[str, float]:
        """The figures that are defined on these rows."""
        undefined = self.undefined(predictions)
        return self.score(predictions, [name for name in self.figures if name not in undefined])

    @abstractmethod
    def undefined(self, predictions: Predictions) -> set[str]:
        """The metrics that these true values leave undefined, such as an area where all are of one class."""

    def check_shape(self, predictions: Predictions) -> None:
        """Raises ModelRefusedError for predictions of another problem."""
        found = 0 if predictions.probability is None else predictions.probability.ndim
        if found != self.dimensions:
            raise ModelRefusedError(
                f"{self.name} needs probabilities of {self.dimensions} dimensions (0: none), not of {found}"
            )

    @abstractmethod
    def target_mistakes(self, target: pl.Series, positive: Any) -> list[str]:
        """What makes a target (n,) unusable, beside missing values; `positive` is what `columns.positive` says."""

    def labels(self, target: pl.Series) -> pl.Series | None:
        """The classes (n,) that parts and folds are to share out evenly; None where there are none."""
        return target if self.has_classes else None

    @abstractmethod
    def classes_of(self, targets: pl.Series) -> tuple[Any, ...]:
        """The target's values in the order of their codes; empty for numbers."""

    @abstractmethod
    def encode(self, targets: pl.Series, classes: tuple[Any, ...]) -> np.ndarray:
        """Targets (n,) as an estimator learns them. Raises DataValidationError for a class that is not known."""

    def positive_of(self, classes: tuple[Any, ...], positive: Any) -> Any:  # noqa: ARG002  (only of two classes is one positive)
        """The one of the classes that is positive; None where none is."""
        return None

    @abstractmethod
    def estimator(self, *, of_numbers: Any, of_classes: Any) -> Any:
        """Of two kinds of estimators the one that learns such targets."""

    @abstractmethod
    def made_up_targets(self, numbers: Array) -> Array:
        """Targets (n,) to try an estimator's parameters on, from numbers (n,)."""

    def settle(
        self,
        fitted: FittedPipeline,
        validation: tuple[ChosenRows, pl.Series] | None,  # noqa: ARG002  (only two classes need a cut-off)
        cut_off: float | CutOff | None,  # noqa: ARG002
    ) -> FittedPipeline:
        """A fitted pipeline with what is chosen on validation rows and their targets: a cut-off, where there is one.

        `cut_off` is one that was chosen before, or the rule to choose it by. Raises DataValidationError or
        ModelRefusedError if it cannot be chosen.
        """
        return fitted

    @abstractmethod
    def needed_columns(self, columns: list[str]) -> list[str]:
        """Those that a model's output has to have and that have to be numbers, `columns` being all that it has."""

    @abstractmethod
    def predictions(self, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:
        """True targets (n,) and a model's output (n rows) as Predictions; classes are compared as labels.

        Raises ModelRefusedError where the output is not finite or not in range.
        """

    @abstractmethod
    def changes(self, before: pl.DataFrame, after: pl.DataFrame) -> tuple[Array, Array]:
        """The outputs (n rows) for rows as they are and as they were changed, as the figures (n, k) that may move."""

    @abstractmethod
    def score_alone(self, inputs: Array, targets: Array, *, depth: int, leaf: int, seed: int) -> float:
        """How well a small tree tells the second half of the targets (n,) from one column (n, 1): see `leak_measure`.

        The tree learns from the first half.
        """

    @abstractmethod
    def drawings(self, target: str, challenger: Predictions, production: Predictions | None) -> Iterator[Drawing]:
        """Pictures of the answers on test rows, production's beside the challenger's."""
