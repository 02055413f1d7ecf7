"""Estimators by their import path."""

from __future__ import annotations

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import Sklearn
from trainer.problems import problem_of
from trainer.training.libraries.sklearn import SklearnLibrary


@pytest.mark.parametrize(
    "path",
    ["sklearn.linear_model.Rigde", "no_such_package.Thing"],
    ids=["no-such-class", "no-such-package"],
)
def test_an_estimator_that_cannot_be_imported(path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"estimator '{path}' cannot be imported"):
        SklearnLibrary().build(Sklearn(estimator=path), problem_of("regression"), seed=1, threads=1)
