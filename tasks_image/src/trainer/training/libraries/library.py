"""The base of the libraries that algorithms come from: how each builds, fits and serves an estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from trainer.errors import ConfigurationError
from trainer.pipeline import Algorithm, did_you_mean

if TYPE_CHECKING:
    from trainer.problems import Problem
    from trainer.training.learning_curve import TrainingCurve
    from trainer.training.training_rows import TrainingRows

A = TypeVar("A", bound=Algorithm)


class Library(ABC, Generic[A]):
    """The algorithms of one KIND: stateless; an estimator has scikit-learn's `fit` and `predict`."""

    stops_early: ClassVar[bool] = False
    """Whether its estimators are boosted round by round and can be stopped."""

    @abstractmethod
    def build(self, algorithm: A, problem: Problem, seed: int, threads: int) -> Any:
        """Return an estimator that is not fitted yet. Raises ConfigurationError if a parameter is not accepted."""

    def device(self, algorithm: A) -> str:  # noqa: ARG002  (only libraries that can use a GPU need it)
        """Return the device that the estimator is fitted on: `cpu` or `cuda`."""
        return "cpu"

    def fit(self, estimator: Any, rows: TrainingRows) -> Any:
        """Return the estimator, fitted on the rows."""
        return estimator.fit(rows.matrix, rows.targets)

    def fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        """Fit on the kept rows; stop when the held-out ones have not improved for that many rounds."""
        raise NotImplementedError

    def fit_with_curve(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        """Fit as `fit` does, and add points to the curve: boosting every few rounds, others one at the end."""
        estimator = self.fit(estimator, rows)
        answer = getattr(estimator, "predict_proba", estimator.predict)
        curve.add(1, [answer(features) for features in curve.features])
        return estimator

    def prepare_for_serving(self, algorithm: A, estimator: Any) -> Any:
        """Return a fitted estimator as it is saved.

        Threads of its own only delay the answer to a single row, and those of a server's other requests.
        """
        if "n_jobs" in estimator.get_params() and "n_jobs" not in algorithm.params:
            estimator.set_params(n_jobs=1)
        return estimator


def construct(estimator: Any, params: dict[str, Any]) -> Any:
    """Return an estimator of that class with the parameters. Raises ConfigurationError if one is not accepted."""
    try:
        return estimator(**params)
    except TypeError as error:
        raise ConfigurationError(f"{estimator.__name__}: {error}") from error


def check_names(kind: str, params: dict[str, Any], allowed: set[str]) -> None:
    """Raise ConfigurationError for an unknown parameter: boosting libraries ignore it, so a slip changes nothing."""
    for name in params:
        if name not in allowed:
            raise ConfigurationError(f"{kind} has no parameter {name!r}{did_you_mean(name, allowed)}")
