"""Whether a library takes an algorithm's parameters, found out before there are rows to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline import Choice
from trainer.training.estimators import SklearnModel, import_estimator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Range
    from trainer.problems import Problem
    from trainer.training.estimators import LightGBMModel, XGBoostModel

    AnyModel = XGBoostModel | LightGBMModel | SklearnModel

ROWS = 60
ROUNDS = 2
"""Of boosting, however many are asked for: a wrong parameter is refused in the first."""


def check_model(model: AnyModel, problem: Problem, where: str) -> None:
    """Raise ConfigurationError, with the place below `where`, for a parameter or its search that the library refuses.

    Estimators of scikit-learn know which values they take; the boosting libraries say so when they fit, which they do
    on a handful of made-up rows.
    """
    if isinstance(model, SklearnModel):
        try:
            import_estimator(model.estimator)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error
    if wrong := _why_refused(model, problem, model.params):
        alone = [name for name, value in model.params.items() if _why_refused(model, problem, {name: value})]
        raise ConfigurationError(f"{where}.params{''.join(f'.{name}' for name in alone[:1])}: {wrong}")
    for name, space in model.search.items():
        for value in _ends(space):
            if wrong := _why_refused(model, problem, {**model.params, name: value}):
                raise ConfigurationError(f"{where}.search.{name} ({value!r}): {wrong}")


def _ends(space: Range | Choice) -> Iterator[Any]:
    if isinstance(space, Choice):
        yield from space.choices
        return
    whole = isinstance(space.low, int) and isinstance(space.high, int)
    yield from (space.low, space.high) if whole else (float(space.low), float(space.high))


def _why_refused(model: AnyModel, problem: Problem, params: dict[str, Any]) -> str:
    """The library's own words, in one line; empty where it takes the parameters."""
    rounds = params.get("n_estimators")
    if isinstance(rounds, int) and rounds < 1:
        return f"n_estimators has to be at least 1, not {rounds}"
    few = {"n_estimators": min(rounds, ROUNDS)} if isinstance(rounds, int) else {}
    try:
        estimator = model.model_copy(update={"params": {**params, **few}}).build(problem, seed=0, threads=1)
        if isinstance(model, SklearnModel):
            if hasattr(estimator, "_parameter_constraints"):  # estimators of others have none
                estimator._validate_params()  # noqa: SLF001  (what scikit-learn's `fit` begins with)
        else:
            estimator.fit(*_rows(problem))
    except Exception as error:  # noqa: BLE001  (each library has errors of its own, and all mean the same here)
        return " ".join(str(error).split())
    return ""


def _rows(problem: Problem) -> tuple[Any, Any]:
    import numpy as np

    numbers = np.random.default_rng(0).normal(size=(ROWS, 2))
    return numbers, problem.made_up_targets(numbers[:, 0])
