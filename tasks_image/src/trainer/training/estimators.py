"""Models: estimators by KIND, and how each is fitted."""

from __future__ import annotations

import contextlib
import functools
import importlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from trainer.errors import LESS_MEMORY, ConfigurationError, ModelTrainingError
from trainer.pipeline import AnyAlgorithm, LightGBM, Sklearn, Spec, XGBoost, did_you_mean
from trainer.process.gpu import visible_gpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import EarlyStopping
    from trainer.problems import Problem
    from trainer.training.learning_curve import TrainingCurve
    from trainer.training.training_rows import TrainingRows


WITHOUT_JOBS = {"LogisticRegression"}
"""Estimators of scikit-learn whose `n_jobs` is deprecated: it has no effect, and setting it warns."""


class Model(Spec, ABC):
    """An algorithm with its parameters. `fit` gives a fitted estimator with scikit-learn's `predict`."""

    params: dict[str, Any]

    @abstractmethod
    def build(self, problem: Problem, seed: int, threads: int) -> Any:
        """An estimator that is not fitted yet. Raises ConfigurationError where a parameter is not accepted."""

    def fit(
        self,
        rows: TrainingRows,
        problem: Problem,
        *,
        seed: int,
        threads: int,
        early_stopping: EarlyStopping | None = None,
    ) -> Any:
        """A fitted estimator.

        With `early_stopping`, boosting stops when a share held out of these very rows stops improving.
        Raises ModelTrainingError where fitting fails.
        """
        estimator = self.build(problem, seed, threads)
        if early_stopping is not None and not self.stops_early:
            raise ConfigurationError(
                f"tuning.early_stopping: {type(estimator).__name__} is not boosted round by round; only the kinds "
                "xgboost and lightgbm can stop early"
            )
        with _told(estimator):
            if early_stopping is None:
                return self._served(self._fit(estimator, rows))
            kept, held_out = _hold_out(rows, problem, seed, early_stopping)
            return self._served(self._fit_until_flat(estimator, kept, held_out, early_stopping.rounds))

    def fit_followed(
        self, rows: TrainingRows, problem: Problem, curve: TrainingCurve, *, seed: int, threads: int
    ) -> Any:
        """The estimator that `fit` gives, with its curve: boosting every few rounds, any other one point at its end."""
        estimator = self.build(problem, seed, threads)
        with _told(estimator):
            return self._served(self._fit_followed(estimator, rows, curve))

    @property
    def device(self) -> str:
        """What the estimator is fitted on: `cpu` or `cuda`."""
        return "cpu"

    @property
    def stops_early(self) -> bool:
        """Whether the estimator is boosted round by round and can be stopped."""
        return False

    def _fit(self, estimator: Any, rows: TrainingRows) -> Any:
        return estimator.fit(rows.matrix, rows.targets)

    def _fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        raise NotImplementedError

    def _served(self, estimator: Any) -> Any:
        """A fitted estimator as it is saved: set up for the place where it serves.

        Threads of its own only delay the answer to a single row, and those of a server's other requests.
        """
        if "n_jobs" in estimator.get_params() and "n_jobs" not in self.params:
            estimator.set_params(n_jobs=1)
        return estimator

    def _fit_followed(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        self._fit(estimator, rows)
        answer = getattr(estimator, "predict_proba", estimator.predict)
        curve.add(1, [answer(features) for features in curve.features])
        return estimator


class XGBoostModel(XGBoost, Model):
    """Gradient-boosted trees by XGBoost.

    >>> from trainer.problems import problem_of
    >>> XGBoostModel(params={"max_depth": 3}).build(problem_of("regression"), seed=1, threads=1).max_depth
    3
    """

    def build(self, problem: Problem, seed: int, threads: int) -> Any:
        import xgboost

        kind = problem.estimator(of_numbers=xgboost.XGBRegressor, of_classes=xgboost.XGBClassifier)
        _check_names("xgboost", self.params, {*kind().get_params()})
        known = {
            "n_jobs": threads, "random_state": seed, "tree_method": "hist", "verbosity": 0, "device": self.device
        }  # fmt: skip
        return _construct(kind, {**known, **self.params})

    def _served(self, estimator: Any) -> Any:
        return super()._served(estimator.set_params(device="cpu"))  # there may be no GPU

    @property
    def device(self) -> str:
        return str(self.params.get("device", boosting_device()))

    @property
    def stops_early(self) -> bool:
        return True

    def _fit(self, estimator: Any, rows: TrainingRows) -> Any:
        from trainer.training.boosting import can_be_fed, fit_from_batches

        if rows.is_streamed and can_be_fed(estimator):
            return fit_from_batches(estimator, rows)
        return super()._fit(estimator, rows)

    def _fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        from trainer.training.boosting import can_be_fed, fit_from_batches

        estimator.set_params(early_stopping_rounds=rounds)
        if kept.is_streamed and can_be_fed(estimator):
            return fit_from_batches(estimator, kept, held_out)
        aside = [(held_out.matrix, held_out.targets)]
        return estimator.fit(kept.matrix, kept.targets, eval_set=aside, verbose=False)

    def _fit_followed(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        import xgboost

        tables = [xgboost.DMatrix(features, nthread=estimator.n_jobs) for features in curve.features]
        rounds = estimator.get_num_boosting_rounds()

        class Follow(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, _evals_log: Any) -> bool:
                if curve.is_due(epoch + 1, rounds):
                    curve.add(epoch + 1, [model.predict(table) for table in tables])
                return False

        self._fit(estimator.set_params(callbacks=[Follow()]), rows)
        return estimator.set_params(callbacks=None)  # it would be saved with the model


class LightGBMModel(LightGBM, Model):
    """Gradient-boosted trees by LightGBM, the same on every machine and number of threads.

    >>> from trainer.problems import problem_of
    >>> LightGBMModel().build(problem_of("regression"), seed=1, threads=1).random_state
    1
    """

    def build(self, problem: Problem, seed: int, threads: int) -> Any:
        import lightgbm

        kind = problem.estimator(of_numbers=lightgbm.LGBMRegressor, of_classes=lightgbm.LGBMClassifier)
        aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()  # noqa: SLF001  (LightGBM lists them nowhere else)
        _check_names(
            "lightgbm", self.params, {*kind().get_params(), *aliases, *(n for a in aliases.values() for n in a)}
        )
        repeatable = {"deterministic": True, "force_row_wise": True}
        return _construct(kind, {"n_jobs": threads, "random_state": seed, "verbose": -1, **repeatable, **self.params})

    @property
    def stops_early(self) -> bool:
        return True

    @property
    def device(self) -> str:
        return str(self.params.get("device_type", self.params.get("device", "cpu")))

    def _fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        import lightgbm

        callbacks = [lightgbm.early_stopping(rounds, verbose=False)]
        aside = {"eval_X": held_out.matrix, "eval_y": held_out.targets}
        return estimator.fit(kept.matrix, kept.targets, **aside, callbacks=callbacks)

    def _fit_followed(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        def follow(env: Any) -> None:
            if curve.is_due(env.iteration + 1, env.end_iteration):
                curve.add(env.iteration + 1, [env.model.predict(features) for features in curve.features])

        return estimator.fit(rows.matrix, rows.targets, callbacks=[follow])


class SklearnModel(Sklearn, Model):
    """Any estimator with scikit-learn's interface, by its import path.

    >>> from trainer.problems import problem_of
    >>> ridge = SklearnModel(estimator="sklearn.linear_model.Ridge", params={"alpha": 2.0})
    >>> ridge.build(problem_of("regression"), 1, 1)
    Ridge(alpha=2.0, random_state=1)
    """

    def build(self, problem: Problem, seed: int, threads: int) -> Any:  # noqa: ARG002  (the estimator knows its problem)
        kind = import_estimator(self.estimator)
        known = {"n_jobs": threads, "random_state": seed}
        if kind.__name__ in WITHOUT_JOBS:
            del known["n_jobs"]
        accepted = {key: value for key, value in known.items() if key in _construct(kind, {}).get_params()}
        return _construct(kind, {**accepted, **self.params})


MODELS: dict[str, type[XGBoostModel | LightGBMModel | SklearnModel]] = {
    "xgboost": XGBoostModel,
    "lightgbm": LightGBMModel,
    "sklearn": SklearnModel,
}


def model_for(
    algorithm: AnyAlgorithm, params: dict[str, Any] | None = None
) -> XGBoostModel | LightGBMModel | SklearnModel:
    """The model that an algorithm's KIND names, with other parameters where they are given."""
    document = algorithm.model_dump()
    return MODELS[algorithm.KIND].model_validate(document if params is None else {**document, "params": params})


def boosting_rounds(estimator: Any) -> int | None:
    """The rounds after which early stopping stopped, or None for an estimator that did not stop early."""
    if (stopped := getattr(estimator, "best_iteration_", None)) is not None:
        return int(stopped) or None
    last = getattr(estimator, "best_iteration", None)
    return None if last is None else int(last) + 1


@contextlib.contextmanager
def _told(estimator: Any) -> Iterator[None]:
    """What a library says of a fit that fails, as a ModelTrainingError."""
    name = type(estimator).__name__
    try:
        yield
    except MemoryError as error:
        raise ModelTrainingError(f"{name}: memory ran out; {LESS_MEMORY}") from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelTrainingError(f"{name} could not be fitted: {error}") from error


@functools.cache
def boosting_device() -> str:
    """Where XGBoost trains: on a GPU where it was built for one and one is visible."""
    import xgboost

    return "cuda" if xgboost.build_info()["USE_CUDA"] and visible_gpus() else "cpu"


def import_estimator(path: str) -> Any:
    """The class at an import path. Raises ConfigurationError."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of anybody's may raise anything
        raise ConfigurationError(
            f"estimator {path!r} cannot be imported: {error}; it must be a class of an installed package, or of the "
            "repository under `code`"
        ) from error


def _construct(kind: Any, params: dict[str, Any]) -> Any:
    try:
        return kind(**params)
    except TypeError as error:
        raise ConfigurationError(f"{kind.__name__}: {error}") from error


def _check_names(kind: str, params: dict[str, Any], allowed: set[str]) -> None:
    """Boosting libraries take a parameter that they do not know without a word, so a slip would change nothing."""
    for name in params:
        if name not in allowed:
            raise ConfigurationError(f"{kind} has no parameter {name!r}{did_you_mean(name, allowed)}")


def _hold_out(
    rows: TrainingRows, problem: Problem, seed: int, rule: EarlyStopping
) -> tuple[TrainingRows, TrainingRows]:
    import numpy as np
    from sklearn.model_selection import train_test_split

    stratify = rows.targets if problem.has_classes else None
    kept, held = train_test_split(
        np.arange(len(rows.targets)), test_size=rule.holdout, random_state=seed, stratify=stratify
    )
    return rows.some(kept), rows.some(held)
