"""The section `scoring` of a pipeline's YAML."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import PROJECT, churn_document
from trainer.errors import ConfigurationError
from trainer.pipeline import load_pipeline, pipeline_of

SOURCE = {"KIND": "csv", "uri": "new.csv"}
OUTPUT = {"KIND": "parquet", "uri": "scores"}


def scoring(document: dict[str, Any] | None = None, **section: Any) -> Any:
    whole = document or churn_document()
    return pipeline_of({**whole, "scoring": {"source": SOURCE, "output": OUTPUT, **section}}, "churn.yaml").scoring


def test_columns_are_read_as_those_to_train_on_but_for_the_target() -> None:
    source = scoring().source
    training = churn_document()["source"]
    assert (source.missing, source.types) == (training["missing"], training["types"])
    assert source.rename == {name: new for name, new in training["rename"].items() if new != "churn"}
    typed = churn_document(source={**training, "types": {"churn": "string", "tenure": "integer"}})
    assert scoring(typed).source.types == {"tenure": "integer"}


def test_what_the_section_says_itself_counts_and_is_frozen_so() -> None:
    pipeline = pipeline_of(
        churn_document(scoring={"source": {**SOURCE, "rename": {}, "missing": ["?"]}, "output": OUTPUT})
    )
    assert pipeline.scoring is not None
    assert (pipeline.scoring.source.rename, pipeline.scoring.source.missing) == ({}, ["?"])
    assert pipeline.for_run({}).scoring == pipeline.scoring


def test_the_shipped_one_is_daily_and_a_warning() -> None:
    shipped = load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml").scoring
    assert shipped is not None
    assert (shipped.schedule, shipped.version, shipped.when_drifted) == ("0 6 * * *", "production", "warn")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"shedule": "@daily"}, "scoring.shedule: unknown key; did you mean 'schedule'?"),
        ({"version": "staging"}, "scoring.version: 'staging' is not allowed"),
        ({"version": 0}, "scoring.version: input should be 'production', not 0 or input should be greater than"),
        ({"output": {"KIND": "csv"}}, "scoring.output.KIND: there is no kind 'csv'"),
        ({"output": {"KIND": "parquet", "uri": "sftp://host/x"}}, "a file in sftp:// can be seen half-written"),
        ({"output": {"KIND": "parquet", "uri": "s3://key:secret@bucket/x"}}, "scoring.output.uri: holds a "),
        ({"output": {"KIND": "postgres", "table": "scores"}}, "scoring.output.connection: is required"),
        ({"source": {"KIND": "csv"}}, "scoring.source.uri: is required"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_name_the_place_and_what_is_allowed(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        scoring(**section)
    assert message in str(error.value)
    assert "secret" not in str(error.value)


def test_rows_without_an_id_and_images_are_not_scored() -> None:
    with pytest.raises(ConfigurationError, match=r"scoring: needs `columns\.id`"):
        scoring(churn_document(columns={"target": "churn", "positive": "Yes"}, behaviour=[]))
    images = load_pipeline(PROJECT / "include" / "pipelines" / "mnist.yaml").model_dump(mode="json")
    with pytest.raises(
        ConfigurationError, match="scoring: rows of images are not scored in batches, only those of tab"
    ):
        scoring(images)
