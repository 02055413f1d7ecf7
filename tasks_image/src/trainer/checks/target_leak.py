"""How well one column alone predicts the target, on rows that it was not fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

LEAK = 0.98
"""Score of a single column on held-out rows from which on it leaks the target."""
MEASURES = {"regression": "R²", "binary_classification": "ROC-AUC", "multiclass_classification": "balanced accuracy"}
MOST_ROWS, SEED, DEPTH, LEAF = 20_000, 42, 8, 5
SMALLEST = 20


def score_alone(values: pl.Series, target: pl.Series, problem: str) -> float:
    """R², ROC-AUC of two classes or balanced accuracy of more, of a small tree on the half of the rows held out."""
    import numpy as np
    from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    chosen = np.random.default_rng(SEED).permutation(len(values))[:MOST_ROWS]
    inputs, truth = _numbers(values)[chosen], target.to_numpy()[chosen]
    half = len(chosen) // 2
    if half < SMALLEST or len({*truth[:half].tolist()}) == 1 or len({*truth[half:].tolist()}) == 1:
        return 0.0
    if problem == "regression":
        tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=SEED)
        return float(r2_score(truth[half:], tree.fit(inputs[:half], truth[:half]).predict(inputs[half:])))
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=SEED)
    tree.fit(inputs[:half], truth[:half].astype(str))
    if problem == "binary_classification":
        return float(roc_auc_score(truth[half:].astype(str), tree.predict_proba(inputs[half:])[:, 1]))
    return float(balanced_accuracy_score(truth[half:].astype(str), tree.predict(inputs[half:])))


def _numbers(values: pl.Series) -> Any:
    """A column (n, 1) as numbers: texts by their place in the order, a missing value below all."""
    import polars as pl

    if not values.dtype.is_numeric():
        values = values.cast(pl.String).rank("dense")
    numbers = values.cast(pl.Float64).fill_nan(None)
    least = numbers.min()
    return numbers.fill_null((least if isinstance(least, float) else 0.0) - 1.0).to_numpy().reshape(-1, 1)
