"""The job of tables: features, preprocessing and an estimator."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from trainer.environment import cores
from trainer.pipeline import AnyAlgorithm, Columns, Features, Preprocess
from trainer.problems import problem_of
from trainer.training.job import Job
from trainer.training.libraries import library_of

if TYPE_CHECKING:
    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.tables.training_table import TrainingTable


class TabularJob(Job):
    """Fits feature constants, imputers, encoders and an estimator."""

    exclude: list[str] = []
    """Columns that must not be inputs; expressions of features may use them."""
    features: Features = Features()
    preprocess: Preprocess = Preprocess()
    model: AnyAlgorithm

    @model_validator(mode="after")
    def _encodable(self) -> Self:
        if mistakes := self.model.preprocess_mistakes(self.preprocess, "model"):
            raise ValueError("\n".join(mistakes))
        return self

    @property
    def algorithm(self) -> str:
        return self.model.KIND

    @property
    def params(self) -> dict[str, Any]:
        return self.model.params

    @property
    def device(self) -> str:
        return library_of(self.model).device(self.model)

    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Its inputs, and what its expressions read."""
        from trainer.inference.features import check_expressions, columns_used

        check_expressions(self.features, forbidden=Columns(target=self.target, id=self.id).never_used)
        used = columns_used(self.features)
        return inputs.select(n for n in inputs.collect_schema() if n in used or n not in self._not_inputs)

    def fit(self, table: TrainingTable) -> FittedPipeline:
        from trainer.registry.tracking import log_training_metrics
        from trainer.training.fitting import fit_pipeline

        training, aside = (table.rows(part) for part in ("train", "validation"))
        return fit_pipeline(
            problem_of(self.problem),
            self.model,
            self.features,
            self.preprocess,
            self.positive,
            not_inputs=self._not_inputs,
            training=(training, table.targets_of("train")),
            validation=(aside, table.targets_of("validation")) if aside.height else None,
            cut_off=self.cut_off,
            seed=self.seed,
            threads=cores(),
            log_point=functools.partial(log_training_metrics, self.run_config.name),
        )

    @property
    def _not_inputs(self) -> set[str]:
        return {*self.exclude, *([self.id] if self.id else [])}
