"""Libraries: chosen by an algorithm's KIND, and each refuses the parameters that it does not know."""

from __future__ import annotations

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import AnyAlgorithm, LightGBM, Sklearn, XGBoost
from trainer.problems import problem_of
from trainer.training.libraries import Library, library_of
from trainer.training.libraries.lightgbm import LightGBMLibrary
from trainer.training.libraries.sklearn import SklearnLibrary
from trainer.training.libraries.xgboost import XGBoostLibrary


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (XGBoost(params={"max_depth": 2}), XGBoostLibrary),
        (LightGBM(params={"max_depth": 2}), LightGBMLibrary),
        (Sklearn(estimator="sklearn.ensemble.RandomForestClassifier", params={"max_depth": 2}), SklearnLibrary),
    ],
    ids=["xgboost", "lightgbm", "sklearn"],
)
def test_an_algorithms_kind_names_its_library(algorithm: AnyAlgorithm, kind: type[Library[AnyAlgorithm]]) -> None:
    library = library_of(algorithm)
    assert type(library) is kind
    for depth in (2, 5):
        chosen = algorithm.model_copy(update={"params": {"max_depth": depth}})
        built = library.build(chosen, problem_of("binary_classification"), 1, 1)
        assert built.get_params()["max_depth"] == depth


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (XGBoost(params={"max_dept": 3}), r"xgboost has no parameter 'max_dept'; did you mean 'max_depth'\?"),
        (LightGBM(params={"max_dept": 3}), r"lightgbm has no parameter 'max_dept'; did you mean 'max_depth'\?"),
        (
            Sklearn(estimator="sklearn.linear_model.Ridge", params={"alfa": 1.0}),
            "Ridge: .*unexpected keyword argument 'alfa'",
        ),
    ],
    ids=["xgboost", "lightgbm", "sklearn"],
)
def test_an_unknown_parameter_is_refused(algorithm: AnyAlgorithm, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        library_of(algorithm).build(algorithm, problem_of("regression"), seed=1, threads=1)
