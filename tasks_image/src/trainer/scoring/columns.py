"""The columns of rows to score that are kept, and those without which they cannot be scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.pipeline import Pipeline
    from trainer.run.records import StartScoringResult


def row_id(pipeline: Pipeline) -> str:
    """Return the column by which an answer is known; a pipeline with `scoring` has one."""
    return str(pipeline.columns.id)


def chosen_columns(present: Sequence[str], pipeline: Pipeline, start: StartScoringResult) -> list[str]:
    """Return the id and those of the present columns that the version was trained with, without the target.

    Raises DataValidationError if the id or an input of the model is not among them.
    """
    needed = [*dict.fromkeys([row_id(pipeline), *start.inputs])]
    absent = [name for name in needed if name not in present]
    if absent:
        raise DataValidationError(
            f"{start.source}: {len(absent)} of {len(needed)} columns that {start.model} version {start.version} needs "
            f"are missing: {', '.join(map(repr, absent))}{did_you_mean(absent[0], present)}; fix the data, or read "
            "them under that name with `scoring.source.rename`"
        )
    known = {row_id(pipeline), *start.trained_columns} - {pipeline.columns.target, start.target}
    return [name for name in present if name in known]
