"""The version that a scoring run uses, and what is on record of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from trainer.errors import ConfigurationError, DataValidationError, StepNotDoneError
from trainer.registry.versions import PRODUCTION
from trainer.run import RunFolder
from trainer.run.records import FeaturesResult, IngestResult, Result
from trainer.sources.settle import SAMPLE_SUFFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from trainer.pipeline import Pipeline
    from trainer.registry.versions import Reference

R = TypeVar("R", bound=Result)

NOTHING = {"scoring": "nothing to score with", "deployment": "nothing to deploy"}


@dataclass(frozen=True)
class ScoringVersion:
    """A registered version that a run of this pipeline has made."""

    number: str
    alias: str
    """The alias that named it; empty if the pipeline names the number."""
    digest: str
    """SHA-256 of its model's files."""
    reference: Reference
    """The snapshot that it was trained on."""
    run: RunFolder
    """The run that made it."""
    pipeline: Pipeline
    """As that run has used it."""
    columns: dict[str, str]
    """The columns of the snapshot and their types."""
    inputs: list[str]
    """The raw columns that the model takes."""


def scoring_version(pipeline: Pipeline) -> ScoringVersion:
    """Look up, once, the version that `scoring.version` asks for; raises as `version_in_use` does."""
    return version_in_use(pipeline, str(getattr(pipeline.scoring, "version", "")) or PRODUCTION, "scoring")


def version_in_use(pipeline: Pipeline, asked: str, role: str) -> ScoringVersion:
    """Look up the version of a number, or of the alias `production`, for `scoring` or `deployment`.

    Raises ConfigurationError if there is none, ModelRefusedError if no run of this pipeline has registered it,
    DataValidationError if the run folder that it came from is gone.
    """
    from trainer.registry.origin import recorded_digest, refuse_foreign
    from trainer.registry.tracking import connect
    from trainer.registry.versions import RUN_FOLDER_TAG, reference_of

    client, model = connect(), pipeline.registry.model
    version, alias = _asked_for(client, model, asked, role)
    number = str(version.version)
    experiment = client.get_experiment_by_name(pipeline.registry.experiment)
    if experiment is None:
        raise ConfigurationError(
            f"registry.experiment: MLflow has no experiment {pipeline.registry.experiment!r}, in which {model} version "
            f"{number} would have been made; name the experiment of the runs that train this pipeline"
        )
    refuse_foreign(client, model, number, experiment.experiment_id)
    digest = recorded_digest(client, model, number)
    run, trained = _training_run(version.tags.get(RUN_FOLDER_TAG, ""), f"{model} version {number}")
    return ScoringVersion(
        number=number,
        alias=alias,
        digest=digest,
        reference=replace(reference_of(version), role=role),
        run=run,
        pipeline=trained,
        columns=_record(run, "ingest", IngestResult, model, number).columns,
        inputs=_inputs(_record(run, "engineer_features", FeaturesResult, model, number)),
    )


def refuse_if_deleted(model: str, number: str) -> None:
    """Raise ConfigurationError if the version that a run began with is no longer in the registry."""
    from trainer.registry.tracking import connect
    from trainer.registry.versions import version_or_none

    if version_or_none(connect(), model, number) is None:
        raise ConfigurationError(
            f"{model} version {number}, with which this run began, was deleted since; nothing is scored with another "
            "version: start a new run"
        )


def _asked_for(client: MlflowClient, model: str, asked: str, role: str) -> tuple[ModelVersion, str]:
    """Return the version and the alias that names it, or an empty string."""
    from trainer.registry.versions import find_version, version_of

    if asked != PRODUCTION:
        return find_version(client, model, version=asked), ""
    found = version_of(client, model, PRODUCTION)
    if found is not None:
        return found, PRODUCTION
    sample = model if model.endswith(SAMPLE_SUFFIX) else f"{model}{SAMPLE_SUFFIX}"
    other = "" if sample == model else _of_sample(client, sample)
    raise ConfigurationError(
        f"{model} has no production version yet, so there is {NOTHING[role]}; run the pipeline's training until a "
        f"version is promoted, or name a version{other}"
    )


def _of_sample(client: MlflowClient, sample: str) -> str:
    """Return a hint if the only production is that of a built-in sample."""
    from trainer.registry.versions import version_of

    if version_of(client, sample, PRODUCTION) is None:
        return ""
    return f". {sample} has one: it was trained on a built-in sample, and scores only rows of a built-in sample"


def _training_run(uri: str, version: str) -> tuple[RunFolder, Pipeline]:
    if not uri:
        raise DataValidationError(f"{version} does not say which run made it; {_remedy(version)}")
    run = RunFolder.open(uri)
    try:
        return run, run.pipeline()
    except StepNotDoneError as error:
        raise DataValidationError(
            f"{version}: the run folder {uri} that it came from is gone, and with it the record of its inputs and the "
            f"snapshot that rows are compared with; {_remedy(version)}"
        ) from error


def _record(run: RunFolder, step: str, kind: type[R], model: str, number: str) -> R:
    found = run.at(step).result_or_none(kind)
    if found is None:
        raise DataValidationError(
            f"{model} version {number}: the run that made it has no record of {step} in {run.uri}; "
            f"{_remedy(f'{model} version {number}')}"
        )
    return found


def _remedy(version: str) -> str:
    return f"bring it back from a backup, or score with another version than {version}"


def _inputs(features: FeaturesResult) -> list[str]:
    return [*dict.fromkeys([*features.inputs, *features.for_features])]
