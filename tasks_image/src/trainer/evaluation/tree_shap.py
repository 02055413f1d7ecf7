"""SHAP values of tree ensembles, by input column (Lundberg et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from trainer.errors import ModelRefusedError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trainer.inference.fitted import FittedPipeline, TabularPreparation
    from trainer.inference.preprocess import Preprocessor

    Array = NDArray[Any]

MOST_WORK = 4e8
"""Rows times leaves times the square of the depth, which a forest's SHAP values take time for: about two seconds."""
FEWEST_ROWS = 30
TOLERANCE = 1e-3
"""How far SHAP values may be from the answer in sum, as a share of the answers' spread; XGBoost adds 32-bit floats."""
BOTH = 2
FORESTS = ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
SCIKIT_LEARN = (*FORESTS, "GradientBoosting", "HistGradientBoosting")


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each input column adds to the answers for n rows."""

    values: dict[str, Array]
    """By column, in the order of the inputs: (n,), or (n, k) for each of k classes."""
    base: Array
    """The answer without any column: (n,) or (n, k)."""
    unit: str
    """What the values are in."""

    def of_predicted_class(self) -> Contributions:
        """Of k classes the one that each row gets; the same where there is one answer a row."""
        import numpy as np

        if self.base.ndim == 1:
            return self
        best = (self.base + sum(self.values.values())).argmax(axis=1)
        rows = np.arange(best.size)
        return Contributions(
            {name: values[rows, best] for name, values in self.values.items()}, self.base[rows, best], self.unit
        )


def why_no_trees(estimator: Any) -> str:
    """Why SHAP's tree explainer cannot explain an estimator within bounds; empty where it can."""
    package = type(estimator).__module__.split(".")[0]
    if package == "xgboost":
        return "XGBoost's linear booster has no trees" if estimator.booster == "gblinear" else ""
    if package == "lightgbm":
        return "LightGBM's linear trees have no SHAP values" if estimator.get_params().get("linear_tree") else ""
    return _why_not_scikit_learn(estimator, _stem(estimator) if package == "sklearn" else "")


def _why_not_scikit_learn(estimator: Any, stem: str) -> str:
    name = type(estimator).__name__
    if stem not in SCIKIT_LEARN:
        return f"{name} is no ensemble of trees"
    if name == "GradientBoostingClassifier" and (estimator.n_classes_ > BOTH or estimator.loss != "log_loss"):
        return "SHAP explains a GradientBoostingClassifier for two classes and log_loss alone"
    if stem == "GradientBoosting" and estimator.init is not None:
        return f"SHAP cannot explain a {name} with an `init` of its own"
    if affordable_rows(estimator) < FEWEST_ROWS:
        return f"the SHAP values of a {name} with {leaves_and_depth(estimator)[0]:,} leaves would take too long"
    return ""


def _stem(estimator: Any) -> str:
    return type(estimator).__name__.removesuffix("Classifier").removesuffix("Regressor")


def affordable_rows(estimator: Any) -> int:
    """How many rows can be explained in about two seconds; boosted trees are fast, and explained by their libraries."""
    leaves, depth = leaves_and_depth(estimator)
    return int(MOST_WORK / max(leaves * depth**2, 1))


def leaves_and_depth(estimator: Any) -> tuple[int, int]:
    """The leaves of a forest or tree of scikit-learn, and its greatest depth; (0, 0) for other estimators."""
    if _stem(estimator) not in FORESTS:
        return 0, 0
    trees = [tree.tree_ for tree in getattr(estimator, "estimators_", [estimator])]
    return sum(int(tree.n_leaves) for tree in trees), max(int(tree.max_depth) for tree in trees)


def tree_shap(fitted: FittedPipeline, rows: pl.DataFrame) -> Contributions:
    """SHAP values for raw rows (n), summed over the columns that one input was encoded as.

    For two classes they are those of the positive class. Raises ModelRefusedError where they do not add up to the
    model's answers: the explanation would be of another model.
    """
    matrix = fitted.preparation.transform(rows)
    values, base = _shap_values(fitted.estimator, matrix)
    answers, unit = _answers(fitted, matrix)
    _check_sums(type(fitted.estimator).__name__, values.sum(axis=1) + base, answers)
    if fitted.positive is not None:
        values, base = _of_positive(values, base, fitted.classes.index(fitted.positive))
    return Contributions(_by_input(cast("TabularPreparation", fitted.preparation).preprocessor, values), base, unit)


def _shap_values(estimator: Any, matrix: Array) -> tuple[Array, Array]:
    import numpy as np
    import shap

    try:
        found = shap.TreeExplainer(estimator)(matrix, check_additivity=False)
    except Exception as error:
        raise ModelRefusedError(
            f"SHAP cannot explain {type(estimator).__name__}: {type(error).__name__}: {error}; choose parameters that "
            "it knows, or another algorithm"
        ) from error
    return np.asarray(found.values, dtype=float), np.asarray(found.base_values, dtype=float)


def _answers(fitted: FittedPipeline, matrix: Array) -> tuple[Array, str]:
    """What the values have to add up to, as the estimator gives it, and its unit."""
    import numpy as np

    estimator, classes = fitted.estimator, bool(fitted.classes)
    package = type(estimator).__module__.split(".")[0]
    if package in ("xgboost", "lightgbm"):
        margin = estimator.predict(matrix, **{"output_margin" if package == "xgboost" else "raw_score": True})
        plain = not classes and np.allclose(margin, estimator.predict(matrix))
        return np.asarray(margin, dtype=float), "log-odds" if classes else _unit(plain=plain)
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(matrix), "log-odds"
    if classes:
        return estimator.predict_proba(matrix), "probability"
    predicted = estimator.predict(matrix)
    if getattr(estimator, "loss", "") in ("poisson", "gamma"):
        return np.log(predicted), _unit(plain=False)
    return predicted, _unit(plain=True)


def _unit(*, plain: bool) -> str:
    return "units of the target" if plain else "logarithm of the target"


def _check_sums(name: str, sums: Array, answers: Array) -> None:
    import numpy as np

    difference = float(np.abs(sums - answers).max()) if sums.shape == answers.shape else float("inf")
    if not difference <= TOLERANCE * max(float(np.ptp(answers)), float(np.abs(answers).max()) / 100, 1e-9):
        raise ModelRefusedError(
            f"the SHAP values of {name} do not add up to its answers: they differ by up to {difference:.3g}; nothing "
            "can be said of what its answers rest on"
        )


def _of_positive(values: Array, base: Array, code: int) -> tuple[Array, Array]:
    """Of two classes: forests give values for both, boosted trees for the second."""
    if base.ndim > 1:
        return values[..., code], base[..., code]
    return (values, base) if code == 1 else (-values, -base)


def _by_input(preprocessor: Preprocessor, values: Array) -> dict[str, Array]:
    """Values (n, columns of the matrix, …) summed by input."""
    summed, place = {}, 0
    for name, width in preprocessor.widths.items():
        summed[name] = values[:, place : place + width].sum(axis=1)
        place += width
    return summed
