"""Rows that are images."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError
from trainer.modalities.modality import Compared, Explained, Modality, Prepared
from trainer.pipeline import ImagePipeline, did_you_mean

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

NEEDS_TORCH = "pipelines of images need PyTorch, which is not installed: make setup-deep"


class ImageModality(Modality[ImagePipeline]):
    """Pixels, learned by a convolutional network."""

    def check(self, pipeline: ImagePipeline, algorithms: Sequence[str]) -> None:  # noqa: ARG002  (the YAML has them checked)
        self.check_behaviours(pipeline)

    def require(self) -> None:
        import importlib.util

        if importlib.util.find_spec("torch") is None:
            raise ConfigurationError(NEEDS_TORCH)

    def unusable(self, pipeline: ImagePipeline, rows: pl.LazyFrame) -> list[str]:
        from trainer.checks.images import unusable_images

        return unusable_images(pipeline, rows)

    def validate(self, pipeline: ImagePipeline, rows: pl.LazyFrame) -> list[CheckResult]:
        from trainer.checks.images import suspicious_images

        return suspicious_images(pipeline, rows)

    def compare(self, pipeline: ImagePipeline, reference: pl.LazyFrame, new: NewRows, page: Path) -> Compared:
        """Compare brightness, contrast and the middle of the brightness, which a person sees first."""
        from trainer.drift.compare import compare_tables
        from trainer.drift.evidently_page import write_drift_report
        from trainer.drift.images import STATISTICS, image_statistics
        from trainer.inference.images import ImagePreparation

        target, preparation = pipeline.columns.target, ImagePreparation.of(pipeline.images)
        before, now = (image_statistics(rows, preparation, target).lazy() for rows in (reference, new.rows))
        drifts = compare_tables(before, now, [*STATISTICS, target], pipeline.drift)
        write_drift_report(before, now, [*STATISTICS], pipeline.drift, drifts, page)
        return Compared(drifts[:-1], drifts[-1])

    def prepare(self, pipeline: ImagePipeline, snapshot: pl.LazyFrame, parts: pl.Series) -> Prepared:  # noqa: ARG002
        column, known = pipeline.images.column, snapshot.collect_schema().names()
        if column not in known:
            raise DataValidationError(f"images.column: there is no column {column!r}{did_you_mean(column, known)}")
        return Prepared(snapshot.select(column), [column])

    @contextlib.contextmanager
    def objective(self, pipeline: ImagePipeline, run: RunFolder) -> Iterator[Objective]:
        from trainer.tuning.epochs import training_rows_of
        from trainer.tuning.image_epochs import ImageEpochs

        yield ImageEpochs(pipeline, run.algorithm, training_rows_of(run))

    def job(self, pipeline: ImagePipeline, run: RunFolder, algorithm: str, params: dict[str, Any]) -> Job:
        from trainer.pipeline.images import NetworkParams
        from trainer.training.networks.image_job import ImageJob
        from trainer.training.run_jobs import common_fields

        return ImageJob(
            **common_fields(pipeline, run, algorithm),
            images=pipeline.images,
            network=NetworkParams.model_validate(params),
            kind=pipeline.algorithms[algorithm].KIND,
            gpus=pipeline.run.gpu or 0,
            state=run.uri,
            part=(run.step, run.algorithm),
        )

    def check_behaviours(self, pipeline: ImagePipeline, schema: pl.Schema | None = None) -> None:  # noqa: ARG002
        from trainer.evaluation.content_changes import check_changes
        from trainer.evaluation.image_changes import CHANGES

        check_changes(pipeline, pipeline.images.column, CHANGES)

    def change(self, behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
        from trainer.evaluation.image_changes import change_images

        return change_images(behaviour, rows, seed)

    def explain(self, pipeline: ImagePipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
        from trainer.modalities.image_explanation import explain

        return explain(pipeline, run, evaluation)
