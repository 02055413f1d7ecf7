"""Checks of the target, with its classes written as the table has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.problems import problem_of

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Check, Pipeline


def with_classes_as_in_table(pipeline: Pipeline, rows: pl.LazyFrame) -> list[Check]:
    """Return the pipeline's checks; those of a target of classes name them as `columns.positive` may be written."""
    from trainer.tables.parquet import column_of

    target = pipeline.columns.target
    if not problem_of(pipeline.problem).has_classes:
        return pipeline.validation
    classes = column_of(rows, target).drop_nulls().unique().to_list()
    return [
        check.model_copy(update={"kwargs": _with_classes(check.kwargs, classes)})
        if check.of == "rows" and check.kwargs.get("column") == target
        else check
        for check in pipeline.validation
    ]


def _with_classes(kwargs: dict[str, Any], classes: list[Any]) -> dict[str, Any]:
    found = dict(kwargs)
    if isinstance(found.get("value_set"), list):
        found["value_set"] = [_class(value, classes) for value in found["value_set"]]
    partition = found.get("partition_object")
    if isinstance(partition, dict) and isinstance(partition.get("values"), list):
        found["partition_object"] = {**partition, "values": [_class(value, classes) for value in partition["values"]]}
    return found


def _class(value: Any, classes: list[Any]) -> Any:
    from trainer.inference.labels import find_class

    known = find_class(classes, value)
    return value if known is None else known
