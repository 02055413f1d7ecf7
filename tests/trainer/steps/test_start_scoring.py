"""The step `start_scoring`: the version is looked up once, and whatever is wrong with it is said at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.pipeline import pipeline_of
from trainer.registry.origin import MODEL_DIGEST_TAG
from trainer.registry.versions import PRODUCTION, RUN_FOLDER_TAG
from trainer.run.records import IngestResult, StartScoringResult
from trainer.tables.handover import TRAINED_PIPELINE

STEP = "start_scoring"


def started(run: Any) -> StartScoringResult:
    result: StartScoringResult = run.at(STEP).result(StartScoringResult)
    return result


def test_the_version_is_on_record_with_what_it_was_trained_on(scoring: Any) -> None:
    start, trained = started(scoring.run), scoring.folder.at("ingest").result(IngestResult)
    assert (start.model, start.version, start.alias) == (scoring.model, "1", PRODUCTION)
    assert (start.snapshot_digest, start.trained_columns) == (trained.digest, trained.columns)
    assert {*start.inputs} == {*trained.columns} - {"churn", "customer_id"}
    assert scoring.run.at(STEP).read_text(TRAINED_PIPELINE) == scoring.frozen.to_yaml()


def test_source_and_output_are_settled_and_the_columns_are_read_as_in_training(scoring: Any) -> None:
    settled = scoring.run.pipeline().scoring
    assert (settled.source.uri[-16:], settled.output.uri[-12:]) == ("/data/new.parquet"[-16:], "/data/scores")
    assert (settled.source.missing, settled.source.rename["Contract"]) == ([" "], "contract")
    assert "Churn" not in settled.source.rename  # rows to score have no target


def test_a_numbered_version_is_taken_whatever_the_alias_names(scoring: Any) -> None:
    scoring.client.delete_registered_model_alias(scoring.model, PRODUCTION)
    start = started(scoring.begin(version=1))
    assert (start.version, start.alias) == ("1", "")


def test_a_source_that_is_away_is_named_as_the_one_to_score(scoring: Any) -> None:
    scoring.rows_file.unlink()
    with pytest.raises(DataValidationError, match=r"new\.parquet: there is no such file") as error:
        scoring.begin()
    assert "section `scoring`" in error.value.__notes__[0]


def no_production(runs: Any) -> None:
    runs.client.delete_registered_model_alias(runs.model, PRODUCTION)


def not_registered_by_a_run(runs: Any) -> None:
    runs.client.delete_model_version_tag(runs.model, "1", MODEL_DIGEST_TAG)


def pruned(runs: Any) -> None:
    runs.client.set_model_version_tag(runs.model, "1", RUN_FOLDER_TAG, f"{runs.home}/pruned")


def no_run(runs: Any) -> None:
    runs.client.delete_model_version_tag(runs.model, "1", RUN_FOLDER_TAG)


def half_pruned(runs: Any) -> None:
    pruned(runs)
    (runs.home / "pruned").mkdir()
    (runs.home / "pruned" / "pipeline.yaml").write_text(runs.frozen.to_yaml(), encoding="utf-8")


@pytest.mark.parametrize(
    ("break_it", "kind", "message"),
    [
        (no_production, ConfigurationError, "has no production version yet, so there is nothing to score with; run"),
        (not_registered_by_a_run, ModelRefusedError, f"version 1 has no tag {MODEL_DIGEST_TAG}"),
        (pruned, DataValidationError, "the run folder .*/pruned that it came from is gone, .*; bring it back"),
        (no_run, DataValidationError, "version 1 does not say which run made it; bring it back"),
        (half_pruned, DataValidationError, "the run that made it has no record of ingest in .*/pruned; bring it back"),
    ],
    ids=["no production", "foreign", "pruned", "no run", "half pruned"],
)
def test_a_version_that_cannot_be_used(scoring: Any, break_it: Any, kind: type[Exception], message: str) -> None:
    break_it(scoring)
    with pytest.raises(kind, match=message):
        scoring.begin()


def test_versions_that_there_are_not(scoring: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"has no version '7'; there are the versions 1"):
        scoring.begin(version=7)
    other = {**scoring.pipeline.model_dump(mode="json"), "registry": {"model": "other", "experiment": "e"}}
    with pytest.raises(ConfigurationError, match="other has no production version yet"):
        scoring.step(STEP, key="scoring-2", pipeline=pipeline_of(other))


def test_real_rows_are_not_scored_with_the_model_of_a_sample(scoring: Any) -> None:
    name = scoring.model.removesuffix("-sample")
    registry = {"model": name, "experiment": scoring.pipeline.registry.experiment}
    real = pipeline_of({**scoring.pipeline.model_dump(mode="json"), "registry": registry})
    with pytest.raises(ConfigurationError, match=f"{name}-sample has one: .* scores only rows of a built-in sample"):
        scoring.step(STEP, key="scoring-2", pipeline=real)


def test_without_the_section_there_is_nothing_to_score(scoring: Any) -> None:
    document = yaml.safe_load(scoring.pipeline.to_yaml())
    with pytest.raises(ConfigurationError, match=re.escape("has no section `scoring`")):
        scoring.step(STEP, key="scoring-2", pipeline=pipeline_of({**document, "scoring": None}))
