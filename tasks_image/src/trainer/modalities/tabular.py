"""Rows of numbers and texts in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.modalities.modality import Compared, Explained, Modality, Prepared
from trainer.pipeline import TabularPipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import polars as pl

    from trainer.drift.new_rows import NewRows
    from trainer.evaluation.behaviour import Changed
    from trainer.inference.features import FittedFeatures
    from trainer.pipeline import Behaviour, Drift
    from trainer.run import RunFolder
    from trainer.run.records import CheckResult, ColumnDrift, EvaluateResult
    from trainer.training.job import Job
    from trainer.tuning.objective import Objective


class Tabular(Modality[TabularPipeline]):
    """Features by expressions, imputed and encoded; boosted trees and estimators of scikit-learn."""

    def check(self, pipeline: TabularPipeline, algorithms: Sequence[str]) -> None:
        from trainer.inference.features import check_expressions
        from trainer.problems import problem_of
        from trainer.training.parameter_checks import check_algorithm

        check_expressions(pipeline.features, forbidden=pipeline.columns.never_used)
        self.check_behaviours(pipeline)
        for name in algorithms:
            check_algorithm(pipeline.algorithms[name], problem_of(pipeline.problem), f"algorithms.{name}")

    def unusable(self, pipeline: TabularPipeline, rows: pl.LazyFrame) -> list[str]:
        from trainer.checks.inputs import unusable_inputs

        return unusable_inputs(pipeline, rows)

    def validate(self, pipeline: TabularPipeline, rows: pl.LazyFrame) -> list[CheckResult]:
        from trainer.checks.blanks import blanks_around_values
        from trainer.checks.inputs import constant_inputs
        from trainer.checks.number_texts import numbers_as_texts
        from trainer.checks.suspects import suspicious_inputs

        return [
            *constant_inputs(pipeline, rows),
            *numbers_as_texts(pipeline, rows),
            *blanks_around_values(pipeline, rows),
            *suspicious_inputs(pipeline, rows),
        ]

    def compare(self, pipeline: TabularPipeline, reference: pl.LazyFrame, new: NewRows, page: Path) -> Compared:
        from trainer.drift.columns import columns_to_compare
        from trainer.drift.compare import compare_tables
        from trainer.drift.evidently_page import write_drift_report
        from trainer.drift.months import month_limits

        columns = columns_to_compare(pipeline, reference, new.rows)
        compared = [*columns, pipeline.columns.target]
        usual = month_limits(reference, pipeline.columns.time, compared) if new.kind == "newer" else {}
        drifts = compare_tables(reference, new.rows, compared, pipeline.drift, usual)
        write_drift_report(reference, new.rows, columns, pipeline.drift, drifts, page)
        return Compared(drifts[:-1], drifts[-1])

    def compare_inputs(
        self, pipeline: TabularPipeline, reference: pl.LazyFrame, rows: pl.LazyFrame, limits: Drift
    ) -> list[ColumnDrift]:
        from trainer.drift.compare import compare_tables
        from trainer.drift.months import month_limits

        columns = [name for name in reference.collect_schema() if name not in pipeline.columns.not_inputs]
        return compare_tables(reference, rows, columns, limits, month_limits(reference, pipeline.columns.time, columns))

    def prepare(self, pipeline: TabularPipeline, snapshot: pl.LazyFrame, parts: pl.Series) -> Prepared:
        """Inputs, what only expressions read, and derived columns, whose constants come from the training rows."""
        import polars as pl

        from trainer.inference.features import check_expressions, columns_used, fit_features

        schema = snapshot.collect_schema()
        check_expressions(pipeline.features, schema, pipeline.columns.never_used)
        used = snapshot.select(columns_used(pipeline.features) or [pipeline.columns.target]).collect()
        fitted = fit_features(pipeline.features, used.filter(parts == "train"))
        became_missing = fitted.became_missing(used)
        derived = fitted.transform(used).select(list(fitted.derive))
        inputs = [name for name in schema if name not in pipeline.columns.not_inputs]
        for_features = [name for name in columns_used(pipeline.features) if name in pipeline.columns.not_inputs]
        table = pl.concat([derived.lazy(), snapshot], how="horizontal")
        return Prepared(
            table=table.select([*inputs, *for_features, *fitted.derive]),
            inputs=inputs,
            for_features=for_features,
            derived=list(fitted.derive),
            constants=dict(fitted.constants),
            became_missing=became_missing,
        )

    def objective(self, pipeline: TabularPipeline, run: RunFolder) -> AbstractContextManager[Objective]:
        from trainer.tuning.cross_validation import cross_validation_of

        return cross_validation_of(pipeline, run)

    def job(self, pipeline: TabularPipeline, run: RunFolder, algorithm: str, params: dict[str, Any]) -> Job:
        from trainer.run.records import FeaturesResult
        from trainer.training.run_jobs import common_fields
        from trainer.training.tabular_job import TabularJob

        return TabularJob(
            **common_fields(pipeline, run, algorithm),
            exclude=run.at("engineer_features").result(FeaturesResult).for_features,
            features=pipeline.features,
            preprocess=pipeline.preprocess,
            model=pipeline.algorithms[algorithm].model_copy(update={"params": params}),
        )

    def check_behaviours(self, pipeline: TabularPipeline, schema: pl.Schema | None = None) -> None:
        from trainer.evaluation.behaviour import check_behaviours

        check_behaviours(pipeline.behaviour, pipeline.columns.target, schema)

    def change(self, behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
        from trainer.evaluation.behaviour import change_rows

        return change_rows(behaviour, rows, seed)

    def explain(self, pipeline: TabularPipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
        from trainer.modalities.tabular_explanation import explain

        return explain(pipeline, run, evaluation)

    def features(self, pipeline: TabularPipeline, run: RunFolder) -> tuple[pl.Series, pl.DataFrame, FittedFeatures]:
        from trainer.modalities.tabular_features import features_to_publish

        return features_to_publish(pipeline, run)
