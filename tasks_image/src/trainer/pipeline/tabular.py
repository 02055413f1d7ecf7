"""Pipelines whose rows are numbers and texts in columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from trainer.pipeline.modeling import AlgorithmName, AnyAlgorithm, Features, Preprocess
from trainer.pipeline.pipeline import Pipeline


class TabularPipeline(Pipeline):
    """Rows are numbers and texts in columns, from which features are computed."""

    modality: ClassVar[str] = "tabular"
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset({"features", "preprocess"})
    has_features: ClassVar[bool] = True
    problems: ClassVar[frozenset[str]] = frozenset({"binary_classification", "multiclass_classification", "regression"})

    features: Features = Features()
    preprocess: Preprocess = Preprocess()
    algorithms: Annotated[Mapping[AlgorithmName, AnyAlgorithm], Field(min_length=1)]

    def modality_mistakes(self) -> list[str]:
        derived = {*self.features.fit} & {*self.features.derive}
        mistakes = [f"features: {name!r} stands under fit and under derive" for name in sorted(derived)]
        for name, algorithm in self.algorithms.items():
            mistakes += algorithm.preprocess_mistakes(self.preprocess, f"algorithms.{name}")
        if self.tuning.early_stopping is None:
            return mistakes
        return mistakes + [
            f"algorithms.{name}.search.n_estimators: early stopping finds it; leave out one or the other"
            for name, algorithm in self.algorithms.items()
            if algorithm.KIND != "sklearn" and "n_estimators" in algorithm.search
        ]
