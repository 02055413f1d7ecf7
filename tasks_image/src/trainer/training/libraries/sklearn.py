"""Any estimator with scikit-learn's interface, by its import path."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Sklearn
from trainer.training.libraries.library import Library, construct

if TYPE_CHECKING:
    from trainer.problems import Problem

WITHOUT_JOBS = {"LogisticRegression"}
"""Estimators of scikit-learn whose `n_jobs` is deprecated: it has no effect, and setting it warns."""


class SklearnLibrary(Library[Sklearn]):
    """Estimators of installed packages and of a pipeline's own repository.

    >>> from trainer.problems import problem_of
    >>> ridge = Sklearn(estimator="sklearn.linear_model.Ridge", params={"alpha": 2.0})
    >>> SklearnLibrary().build(ridge, problem_of("regression"), 1, 1)
    Ridge(alpha=2.0, random_state=1)
    """

    def build(
        self,
        algorithm: Sklearn,
        problem: Problem,  # noqa: ARG002  (the estimator knows its problem)
        seed: int,
        threads: int,
    ) -> Any:
        kind = import_estimator(algorithm.estimator)
        known = {"n_jobs": threads, "random_state": seed}
        if kind.__name__ in WITHOUT_JOBS:
            del known["n_jobs"]
        accepted = {key: value for key, value in known.items() if key in construct(kind, {}).get_params()}
        return construct(kind, {**accepted, **algorithm.params})


def import_estimator(path: str) -> Any:
    """Return the class at an import path. Raises ConfigurationError."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of anybody's may raise anything
        raise ConfigurationError(
            f"estimator {path!r} cannot be imported: {error}; it must be a class of an installed package, or of the "
            "repository under `code`"
        ) from error
