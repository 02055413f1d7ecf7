"""From a document or a file to the pipeline of its class: one for each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.pipeline.document import parse_yaml, read_text, validate
from trainer.pipeline.images import ImagePipeline
from trainer.pipeline.tabular import TabularPipeline
from trainer.pipeline.texts import TextPipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.pipeline.pipeline import Pipeline

TABULAR = "tabular"
PIPELINES: dict[str, type[Pipeline]] = {TABULAR: TabularPipeline, "images": ImagePipeline, "text": TextPipeline}
"""The class of pipelines of each modality, by the section that only their YAML has; a table's has none."""


def _pipeline_class(document: Mapping[str, Any]) -> type[Pipeline]:
    section = next((name for name in PIPELINES if name in document and name != TABULAR), TABULAR)
    return PIPELINES[section]


def pipeline_of(document: dict[str, Any], name: str = "pipeline") -> Pipeline:
    """The pipeline that a document says; `name` stands in error messages. Raises ConfigurationError."""
    return validate(_pipeline_class(document), document, name)


def parse_pipeline(text: str, name: str) -> Pipeline:
    """The pipeline in a YAML text; `name` stands in error messages. Raises ConfigurationError."""
    return pipeline_of(parse_yaml(text, name), name)


def load_pipeline(path: Any) -> Pipeline:
    """The pipeline in a local YAML file. Raises ConfigurationError with one line per mistake."""
    return parse_pipeline(read_text(path), str(path))


def refuse_same_name(names: dict[str, str], name: str, file: str) -> None:
    """Note a pipeline's name and file in `names`. Raises ConfigurationError if another file has the name already."""
    if name in names:
        raise ConfigurationError(f"{file}: name: {name!r} is the name of {names[name]} too; give each its own")
    names[name] = file
