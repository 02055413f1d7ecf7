"""Gradient-boosted trees by XGBoost."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from trainer.pipeline import XGBoost
from trainer.process.gpu import visible_gpus
from trainer.training.libraries.library import Library, check_names, construct

if TYPE_CHECKING:
    from trainer.problems import Problem
    from trainer.training.learning_curve import TrainingCurve
    from trainer.training.training_rows import TrainingRows


class XGBoostLibrary(Library[XGBoost]):
    """On a GPU if one is visible; rows that are too many for memory are fed in batches.

    >>> from trainer.problems import problem_of
    >>> trees = XGBoost(params={"max_depth": 3})
    >>> XGBoostLibrary().build(trees, problem_of("regression"), seed=1, threads=1).max_depth
    3
    """

    stops_early = True

    def build(self, algorithm: XGBoost, problem: Problem, seed: int, threads: int) -> Any:
        import xgboost

        kind = problem.estimator(of_numbers=xgboost.XGBRegressor, of_classes=xgboost.XGBClassifier)
        check_names("xgboost", algorithm.params, {*kind().get_params()})
        known = {
            "n_jobs": threads, "random_state": seed, "tree_method": "hist", "verbosity": 0,
            "device": self.device(algorithm),
        }  # fmt: skip
        return construct(kind, {**known, **algorithm.params})

    def device(self, algorithm: XGBoost) -> str:
        return str(algorithm.params.get("device", boosting_device()))

    def fit(self, estimator: Any, rows: TrainingRows) -> Any:
        from trainer.training.libraries.xgboost_batches import can_be_fed, fit_from_batches

        _name_categories(estimator, rows)
        if rows.is_streamed and can_be_fed(estimator):
            return fit_from_batches(estimator, rows)
        return super().fit(estimator, rows)

    def fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        from trainer.training.libraries.xgboost_batches import can_be_fed, fit_from_batches

        _name_categories(estimator, kept)
        estimator.set_params(early_stopping_rounds=rounds)
        if kept.is_streamed and can_be_fed(estimator):
            return fit_from_batches(estimator, kept, held_out)
        aside = [(held_out.matrix, held_out.targets)]
        return estimator.fit(kept.matrix, kept.targets, eval_set=aside, verbose=False)

    def fit_with_curve(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        import xgboost

        _name_categories(estimator, rows)
        types = {"feature_types": estimator.feature_types, "enable_categorical": estimator.enable_categorical}
        tables = [xgboost.DMatrix(features, nthread=estimator.n_jobs, **types) for features in curve.features]
        rounds = estimator.get_num_boosting_rounds()

        class Follow(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, _evals_log: Any) -> bool:
                if curve.is_due(epoch + 1, rounds):
                    curve.add(epoch + 1, [model.predict(table) for table in tables])
                return False

        self.fit(estimator.set_params(callbacks=[Follow()]), rows)
        return estimator.set_params(callbacks=None)  # it would be saved with the model

    def prepare_for_serving(self, algorithm: XGBoost, estimator: Any) -> Any:
        return super().prepare_for_serving(algorithm, estimator.set_params(device="cpu"))  # there may be no GPU


def _name_categories(estimator: Any, rows: TrainingRows) -> None:
    """Set which columns are to be split by categories; the fitted estimator needs it for its answers, too."""
    if any(rows.is_category):
        kinds = ["c" if is_category else "q" for is_category in rows.is_category]
        estimator.set_params(feature_types=kinds, enable_categorical=True)


@functools.cache
def boosting_device() -> str:
    """Return the device that XGBoost trains on: a GPU if it was built for one and one is visible."""
    import xgboost

    return "cuda" if xgboost.build_info()["USE_CUDA"] and visible_gpus() else "cpu"
