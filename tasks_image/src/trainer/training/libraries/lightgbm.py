"""Gradient-boosted trees by LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.pipeline import LightGBM
from trainer.training.libraries.library import Library, check_names, construct

if TYPE_CHECKING:
    from trainer.problems import Problem
    from trainer.training.learning_curve import TrainingCurve
    from trainer.training.training_rows import TrainingRows


class LightGBMLibrary(Library[LightGBM]):
    """The same trees on every machine and number of threads.

    >>> from trainer.problems import problem_of
    >>> LightGBMLibrary().build(LightGBM(), problem_of("regression"), seed=1, threads=1).random_state
    1
    """

    stops_early = True

    def build(self, algorithm: LightGBM, problem: Problem, seed: int, threads: int) -> Any:
        import lightgbm

        kind = problem.estimator(of_numbers=lightgbm.LGBMRegressor, of_classes=lightgbm.LGBMClassifier)
        aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()  # noqa: SLF001  (LightGBM lists them nowhere else)
        allowed = {*kind().get_params(), *aliases, *(name for names in aliases.values() for name in names)}
        check_names("lightgbm", algorithm.params, allowed)
        repeatable = {"deterministic": True, "force_row_wise": True}
        known = {"n_jobs": threads, "random_state": seed, "verbose": -1, **repeatable}
        return construct(kind, {**known, **algorithm.params})

    def device(self, algorithm: LightGBM) -> str:
        return str(algorithm.params.get("device_type", algorithm.params.get("device", "cpu")))

    def fit(self, estimator: Any, rows: TrainingRows) -> Any:
        return estimator.fit(rows.matrix, rows.targets, **_categories(rows))

    def fit_until_flat(self, estimator: Any, kept: TrainingRows, held_out: TrainingRows, rounds: int) -> Any:
        import lightgbm

        callbacks = [lightgbm.early_stopping(rounds, verbose=False)]
        aside = {"eval_X": held_out.matrix, "eval_y": held_out.targets}
        return estimator.fit(kept.matrix, kept.targets, **aside, **_categories(kept), callbacks=callbacks)

    def fit_with_curve(self, estimator: Any, rows: TrainingRows, curve: TrainingCurve) -> Any:
        def follow(env: Any) -> None:
            if curve.is_due(env.iteration + 1, env.end_iteration):
                curve.add(env.iteration + 1, [env.model.predict(features) for features in curve.features])

        return estimator.fit(rows.matrix, rows.targets, **_categories(rows), callbacks=[follow])


def _categories(rows: TrainingRows) -> dict[str, Any]:
    """The argument of `fit` that names the columns to split by categories, where there are any."""
    places = [place for place, is_category in enumerate(rows.is_category) if is_category]
    return {"categorical_feature": places} if places else {}
