"""Parameters with a value for each column are tried on as many columns as the table has."""

from __future__ import annotations

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import LightGBM, XGBoost
from trainer.problems import problem_of
from trainer.training.per_column import check_per_column

CONSTRAINED = LightGBM(params={"n_estimators": 5, "monotone_constraints": [1, 0, -1]})
BINARY = problem_of("binary_classification")


def test_as_many_values_as_columns_are_accepted() -> None:
    check_per_column(CONSTRAINED, BINARY, [3, 3], "algorithms.a")


@pytest.mark.parametrize(
    "trees", [CONSTRAINED, XGBoost(params={"feature_types": ["q", "q", "c"]})], ids=["lightgbm", "xgboost"]
)
def test_another_number_is_refused(trees: LightGBM | XGBoost) -> None:
    with pytest.raises(ConfigurationError, match=r"^algorithms.a.params.\w+: with the table's 4 columns: "):
        check_per_column(trees, BINARY, [4], "algorithms.a")


def test_folds_of_different_widths_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="the folds have 3 to 4 columns, .* `preprocess.categorical: ordinal`"):
        check_per_column(CONSTRAINED, BINARY, [3, 4], "algorithms.a")


def test_without_such_parameters_nothing_is_tried() -> None:
    check_per_column(LightGBM(params={"learning_rate": "refused elsewhere"}), BINARY, [3, 4], "algorithms.a")
