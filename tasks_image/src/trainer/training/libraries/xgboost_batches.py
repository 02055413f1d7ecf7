"""XGBoost fed a batch of rows at a time: of the rows it keeps the bins that their values fall into, a byte for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import xgboost

    from trainer.training.training_rows import TrainingRows

TWO = 2
DEFAULT_BINS = 256


def can_be_fed(estimator: xgboost.XGBModel) -> bool:
    """Whether an estimator learns from bins of values, not from the values themselves."""
    return estimator.tree_method in (None, "auto", "hist") and estimator.booster in (None, "gbtree", "dart")


def fit_from_batches(
    estimator: xgboost.XGBModel, rows: TrainingRows, held_out: TrainingRows | None = None
) -> xgboost.XGBModel:
    """Fit an estimator of scikit-learn's interface as its own `fit` does, which needs all rows as one matrix.

    With `held_out` and the estimator's `early_stopping_rounds` boosting stops by the figure on those rows.
    Bins are those of XGBoost's quantile sketch (Chen and Guestrin 2016), which many batches may shift a little.
    """
    import xgboost

    training = _bins(estimator, rows)
    booster = xgboost.train(
        {**estimator.get_xgb_params(), **_of_classes(estimator, rows.targets)},
        training,
        estimator.get_num_boosting_rounds(),
        evals=[] if held_out is None else [(_bins(estimator, held_out, training), "held_out")],
        early_stopping_rounds=estimator.early_stopping_rounds,
        callbacks=estimator.callbacks,
        verbose_eval=False,
    )
    estimator.load_model(booster.save_raw("ubj"))
    return estimator


def _of_classes(estimator: xgboost.XGBModel, targets: Any) -> dict[str, Any]:
    """What scikit-learn's `fit` adds for classes, which it counts."""
    import numpy as np
    import xgboost

    classes = np.unique(targets).size if isinstance(estimator, xgboost.XGBClassifier) else 0
    if classes <= TWO:
        return {}
    kept = estimator.objective if estimator.objective == "multi:softmax" else "multi:softprob"
    return {"objective": kept, "num_class": classes}


def _bins(
    estimator: xgboost.XGBModel, rows: TrainingRows, training: xgboost.QuantileDMatrix | None = None
) -> xgboost.QuantileDMatrix:
    """Rows as the bins of their values; others than the training rows take the bins of those."""
    import xgboost

    class Batches(xgboost.DataIter):  # type: ignore[misc]
        """What XGBoost asks for the batches, several times over."""

        def next(self, input_data: Callable[..., Any]) -> bool:
            batch = next(self.left, None)
            if batch is not None:
                input_data(data=batch[0], label=batch[1], feature_types=estimator.feature_types)
            return batch is not None

        def reset(self) -> None:
            self.left = rows.batches()

    batches = Batches()
    batches.reset()
    bins = estimator.max_bin or DEFAULT_BINS
    return xgboost.QuantileDMatrix(
        batches, ref=training, nthread=estimator.n_jobs, max_bin=bins, missing=estimator.missing,
        enable_categorical=estimator.enable_categorical,
    )  # fmt: skip
