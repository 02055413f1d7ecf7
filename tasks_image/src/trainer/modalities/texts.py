"""Rows that are texts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError
from trainer.modalities.modality import Compared, Explained, Modality, Prepared
from trainer.pipeline import TextPipeline, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from trainer.drift.new_rows import NewRows
    from trainer.evaluation.behaviour import Changed
    from trainer.pipeline import Behaviour
    from trainer.run import RunFolder
    from trainer.run.records import CheckResult, EvaluateResult
    from trainer.training.job import Job
    from trainer.tuning.objective import Objective

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "peft")
NOT_INSTALLED = "pipelines of texts need {}, not installed here: make setup-deep"


class TextModality(Modality[TextPipeline]):
    """Documents, whose tokens a language model predicts."""

    def check(self, pipeline: TextPipeline, algorithms: Sequence[str]) -> None:
        from trainer.training.networks.model_files import refuse_absent

        self.check_behaviours(pipeline)
        for name in algorithms:
            if name in pipeline.selected_algorithms:
                algorithm = pipeline.algorithms[name]
                refuse_absent(algorithm.params_class.model_validate(algorithm.params))

    def require(self) -> None:
        import importlib.util

        absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if absent:
            raise ConfigurationError(NOT_INSTALLED.format(", ".join(absent)))

    def unusable(self, pipeline: TextPipeline, rows: pl.LazyFrame) -> list[str]:
        from trainer.checks.texts import unusable_texts

        return unusable_texts(pipeline, rows)

    def validate(self, pipeline: TextPipeline, rows: pl.LazyFrame) -> list[CheckResult]:
        from trainer.checks.texts import suspicious_texts

        return suspicious_texts(pipeline, rows)

    def compare(self, pipeline: TextPipeline, reference: pl.LazyFrame, new: NewRows, page: Path) -> Compared:
        """Compare lengths and letters of the documents and, as what is predicted, the words that they consist of."""
        from trainer.drift.compare import compare_tables
        from trainer.drift.evidently_page import write_drift_report
        from trainer.drift.texts import STATISTICS, compare_words, text_statistics

        column = pipeline.text.column
        before, now = (text_statistics(rows, column).lazy() for rows in (reference, new.rows))
        drifts = compare_tables(before, now, [*STATISTICS], pipeline.drift)
        write_drift_report(before, now, [*STATISTICS], pipeline.drift, drifts, page)
        return Compared(drifts, compare_words(reference, new.rows, column, pipeline.drift, pipeline.tuning.seed))

    def prepare(self, pipeline: TextPipeline, snapshot: pl.LazyFrame, parts: pl.Series) -> Prepared:  # noqa: ARG002
        column, known = pipeline.text.column, snapshot.collect_schema().names()
        if column not in known:
            raise DataValidationError(f"text.column: there is no column {column!r}{did_you_mean(column, known)}")
        return Prepared(snapshot.select(column), [column])

    @contextlib.contextmanager
    def objective(self, pipeline: TextPipeline, run: RunFolder) -> Iterator[Objective]:
        from trainer.tuning.epochs import training_rows_of
        from trainer.tuning.text_epochs import TextEpochs

        yield TextEpochs(pipeline, run.algorithm, training_rows_of(run))

    def job(self, pipeline: TextPipeline, run: RunFolder, algorithm: str, params: dict[str, Any]) -> Job:
        from trainer.training.networks.text_job import TextJob
        from trainer.training.run_jobs import common_fields

        chosen = pipeline.algorithms[algorithm]
        return TextJob(
            **common_fields(pipeline, run, algorithm),
            text=pipeline.text,
            model=chosen.params_class.model_validate(params),
            kind=chosen.KIND,
            gpus=pipeline.run.gpu or 0,
            state=run.uri,
            part=(run.step, run.algorithm),
        )

    def check_behaviours(self, pipeline: TextPipeline, schema: pl.Schema | None = None) -> None:  # noqa: ARG002
        from trainer.evaluation.content_changes import check_changes
        from trainer.evaluation.text_changes import CHANGES

        check_changes(pipeline, pipeline.text.column, CHANGES)

    def change(self, behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
        from trainer.evaluation.text_changes import change_texts

        return change_texts(behaviour, rows, seed)

    def explain(self, pipeline: TextPipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
        from trainer.modalities.text_explanation import explain

        return explain(pipeline, run, evaluation)
