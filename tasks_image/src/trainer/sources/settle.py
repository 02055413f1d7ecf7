"""Settling, once per run, where its rows come from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import DvcSource, SampleSource, StoredSource
from trainer.pipeline.sources import endings_of
from trainer.sources.dvc.repository import pin_revision
from trainer.sources.files.source_files import find_files

if TYPE_CHECKING:
    from trainer.environment import Environment
    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)

SAMPLE_SUFFIX = "-sample"


def settle_source(pipeline: Pipeline, environment: Environment) -> Pipeline:
    """The pipeline with an absolute source, or with the built-in sample where the data is not there.

    A sample's model gets a name of its own, so that it never becomes the production that real data is judged against.
    Raises DataValidationError where there is no data and the environment allows no sample; an address that cannot
    be reached is an error too (TrainerError or the store's own: it may pass), and never a reason to take a sample.
    """
    source = pipeline.source
    if isinstance(source, SampleSource):
        return _on_sample(pipeline, source, environment)
    if isinstance(source, DvcSource):
        return pipeline.model_copy(update={"source": pin_revision(source)})
    if not isinstance(source, StoredSource):
        return pipeline
    uri = absolute_uri(source.uri, environment.data_store)
    found = source.model_copy(update={"uri": uri})
    if find_files(found.pattern, endings_of(source.KIND)):
        return pipeline.model_copy(update={"source": found})
    if source.sample is None:
        raise DataValidationError(
            f"{uri}: there is no such file; put it there (`make data` fetches the published data sets), or change "
            "`source.uri`"
        )
    if not environment.samples:
        raise DataValidationError(
            f"{uri}: there is no such file, and this environment allows no built-in sample; "
            "put the file there (`make data` fetches the published data sets), or change `source.uri`"
        )
    logger.warning("%s: there is no such file; the built-in sample %r is used instead", uri, source.sample)
    return _on_sample(pipeline, SampleSource(sample=source.sample, **source.reading), environment)


def _on_sample(pipeline: Pipeline, source: SampleSource, environment: Environment) -> Pipeline:
    if not environment.samples:
        raise ConfigurationError("source.KIND: this environment allows no built-in sample; name real data")
    registry = pipeline.registry
    named = registry.model if registry.model.endswith(SAMPLE_SUFFIX) else registry.model + SAMPLE_SUFFIX
    return pipeline.model_copy(update={"source": source, "registry": registry.model_copy(update={"model": named})})


def absolute_uri(uri: str, data_store: str) -> str:
    """An address as it stands if it is absolute, else below the data store."""
    if "://" in uri or uri.startswith("/"):
        return uri
    if not data_store:
        raise ConfigurationError(f"source.uri {uri!r} is relative, and the environment names no data store")
    return f"{data_store.rstrip('/')}/{uri}"
