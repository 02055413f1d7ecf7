"""How alike two real models answer: measured on the Telco file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TEST_SHARE, SEED = 0.3, 42


@dataclass(frozen=True)
class Measured:
    """Two models on the same test rows."""

    first_auc: float
    second_auc: float
    correlation: float
    """Within a class, of the answers' normal scores, as a binormal model takes it; the mean of both classes."""
    rows: int


def measure(file: Path) -> tuple[Measured, Measured]:
    """XGBoost beside a random forest; and beside XGBoost trained on four fifths of its rows."""
    import numpy as np
    import polars as pl
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split
    from xgboost import XGBClassifier

    frame = pl.read_csv(file, null_values=[" "])
    truth = (frame["Churn"] == "Yes").to_numpy()
    inputs = frame.drop("customerID", "Churn")
    texts = [name for name in inputs.columns if inputs.schema[name] == pl.String]
    matrix = inputs.to_dummies(texts).fill_null(0).to_numpy().astype(float)
    train, test = train_test_split(np.arange(truth.size), test_size=TEST_SHARE, random_state=SEED, stratify=truth)

    def answers(model: Any, rows: Any) -> Any:
        return model.fit(matrix[rows], truth[rows]).predict_proba(matrix[test])[:, 1]

    boosted = XGBClassifier(max_depth=3, learning_rate=0.1, n_estimators=100, random_state=SEED)
    forest = RandomForestClassifier(n_estimators=100, max_depth=10, min_samples_leaf=2, random_state=SEED)
    first, second = answers(boosted, train), answers(forest, train)
    retrained = answers(boosted, train[: train.size * 4 // 5])
    return _compare(truth[test], first, second), _compare(truth[test], first, retrained)


def _compare(truth: Any, first: Any, second: Any) -> Measured:
    import numpy as np
    from scipy.stats import norm, rankdata
    from sklearn.metrics import roc_auc_score

    scores = [norm.ppf(rankdata(side) / (side.size + 1)) for side in (first, second)]
    within = [np.corrcoef(scores[0][truth == kind], scores[1][truth == kind])[0, 1] for kind in (False, True)]
    first_auc, second_auc = (float(roc_auc_score(truth, side)) for side in (first, second))
    return Measured(first_auc, second_auc, float(np.mean(within)), truth.size)
