"""Whether a library takes an algorithm's parameters, found out before there are rows to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Choice, Sklearn
from trainer.training.class_weights import CLASS_WEIGHT
from trainer.training.libraries import library_of
from trainer.training.libraries.sklearn import import_estimator
from trainer.training.per_column import without_per_column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import AnyAlgorithm, Range
    from trainer.problems import Problem

ROWS, COLUMNS = 60, 2
ROUNDS = 2
"""Of boosting, however many are asked for: a wrong parameter is refused in the first."""


def check_algorithm(algorithm: AnyAlgorithm, problem: Problem, where: str) -> None:
    """Raise ConfigurationError, with the place below `where`, for a parameter or its search that the library refuses.

    Estimators of scikit-learn know which values they take; the boosting libraries say so when they fit, which they do
    on a handful of made-up rows.
    """
    if isinstance(algorithm, Sklearn):
        try:
            import_estimator(algorithm.estimator)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error
    if wrong := why_refused(algorithm, problem, algorithm.params):
        alone = [name for name, value in algorithm.params.items() if why_refused(algorithm, problem, {name: value})]
        raise ConfigurationError(f"{where}.params{''.join(f'.{name}' for name in alone[:1])}: {wrong}")
    for name, space in algorithm.search.items():
        for value in _ends(space):
            if wrong := why_refused(algorithm, problem, {**algorithm.params, name: value}):
                raise ConfigurationError(f"{where}.search.{name} ({value!r}): {wrong}")


def _ends(space: Range | Choice) -> Iterator[Any]:
    if isinstance(space, Choice):
        yield from space.choices
        return
    whole = isinstance(space.low, int) and isinstance(space.high, int)
    yield from (space.low, space.high) if whole else (float(space.low), float(space.high))


def why_refused(algorithm: AnyAlgorithm, problem: Problem, params: dict[str, Any], width: int | None = None) -> str:
    """Return the library's own words, in one line; empty where it takes the parameters.

    Without the number of columns, `width`, parameters that have a value for each column are not tried.
    """
    rounds = params.get("n_estimators")
    if isinstance(rounds, int) and rounds < 1:
        return f"n_estimators has to be at least 1, not {rounds}"
    few = {"n_estimators": min(rounds, ROUNDS)} if isinstance(rounds, int) else {}
    given = params if width else without_per_column(params)
    if isinstance(given.get(CLASS_WEIGHT), dict):  # by the labels of the target
        given = {name: value for name, value in given.items() if name != CLASS_WEIGHT}
    try:
        tried = algorithm.model_copy(update={"params": {**given, **few}})
        estimator = library_of(tried).build(tried, problem, seed=0, threads=1)
        if not isinstance(algorithm, Sklearn) or width:
            estimator.fit(*_rows(problem, width or COLUMNS))
        elif hasattr(estimator, "_parameter_constraints"):  # estimators of others have none
            estimator._validate_params()  # noqa: SLF001  (what scikit-learn's `fit` begins with)
    except Exception as error:  # noqa: BLE001  (each library has errors of its own, and all mean the same here)
        return " ".join(str(error).split())
    return _why_of_another_problem(estimator, problem)


def _why_of_another_problem(estimator: Any, problem: Problem) -> str:
    name = type(estimator).__name__
    if problem.has_classes and not hasattr(estimator, "predict_proba"):
        remedy = "set `probability: true`" if name in ("SVC", "NuSVC") else "choose one that does"
        return (
            f"{name} with these parameters gives no probabilities (it has no predict_proba), which a {problem.name} "
            f"needs; {remedy}, such as LogisticRegression for a linear model"
        )
    if not problem.has_classes and hasattr(estimator, "predict_proba"):
        return f"{name} is a classifier, and a {problem.name} predicts numbers; choose a regressor"
    return ""


def _rows(problem: Problem, width: int) -> tuple[Any, Any]:
    import numpy as np

    numbers = np.random.default_rng(0).normal(size=(ROWS, width))
    return numbers, problem.made_up_targets(numbers[:, 0])
