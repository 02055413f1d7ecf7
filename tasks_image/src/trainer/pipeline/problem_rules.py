"""What a pipeline of each problem may not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.pipeline.data import RandomSplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.pipeline.pipeline import Pipeline


def _of_numbers(pipeline: Pipeline) -> list[str]:
    mistakes = _positive_mistakes(pipeline)
    if isinstance(pipeline.split, RandomSplit) and pipeline.split.stratify:
        mistakes.append("split.stratify: only classes can be stratified")
    return mistakes


def _of_two_classes(pipeline: Pipeline) -> list[str]:
    if pipeline.columns.positive is None:
        return ["columns.positive: a binary classification needs the target's positive value"]
    return []


def _of_several_classes(pipeline: Pipeline) -> list[str]:
    return _positive_mistakes(pipeline) + [
        f"behaviour ({behaviour.name}): {behaviour.expect!r} needs one figure that rises or falls; "
        "with several classes only 'unchanged' can be expected"
        for behaviour in pipeline.behaviour
        if behaviour.expect != "unchanged"
    ]


def _positive_mistakes(pipeline: Pipeline) -> list[str]:
    mistakes = []
    if pipeline.cut_off is not None:
        mistakes.append("cut_off: only a binary classification has a cut-off; remove it")
    if pipeline.columns.positive is not None:
        mistakes.append("columns.positive: only a binary classification has a positive class")
    if pipeline.gates.positive:
        mistakes.append("gates.positive: only a binary classification has a positive class")
    return mistakes


def _of_texts(pipeline: Pipeline) -> list[str]:
    """Figures per token cannot compare models, each of which has a tokenizer of its own."""
    named = {
        "tuning.metric": pipeline.tuning.metric,
        "gates.against_production.metric": pipeline.gates.against_production.metric,
    }
    return _of_numbers(pipeline) + [
        f"{where}: 'perplexity' is per token, and models are compared whose tokenizers may differ; use bits_per_byte"
        for where, metric in named.items()
        if metric == "perplexity"
    ]


PROBLEM_RULES: dict[str, Callable[[Pipeline], list[str]]] = {
    "regression": _of_numbers,
    "binary_classification": _of_two_classes,
    "multiclass_classification": _of_several_classes,
    "language_modeling": _of_texts,
}
"""For each problem what finds the mistakes of a pipeline, as lines for a person."""
