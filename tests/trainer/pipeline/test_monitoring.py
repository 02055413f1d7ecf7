"""The section `monitoring` of a pipeline's YAML."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import PROJECT, churn_document
from trainer.errors import ConfigurationError
from trainer.pipeline import load_pipeline, pipeline_of

SCORING = {"source": {"KIND": "csv", "uri": "new.csv"}, "output": {"KIND": "parquet", "uri": "scores"}}
LABELS = {"KIND": "csv", "uri": "labels.csv"}


def monitoring(document: dict[str, Any] | None = None, **section: Any) -> Any:
    whole = document or churn_document(scoring=SCORING)
    return pipeline_of({**whole, "monitoring": section}, "churn.yaml").monitoring


def test_labels_are_read_as_the_two_columns_to_train_on() -> None:
    source = churn_document()["source"]
    source["types"] = {"customer_id": "string", "tenure": "integer"}
    labels = monitoring(churn_document(scoring=SCORING, source=source), labels=LABELS).labels
    assert labels.rename == {"customerID": "customer_id", "Churn": "churn"}
    assert (labels.types, labels.missing) == ({"customer_id": "string"}, source["missing"])
    own = monitoring(labels={**LABELS, "rename": {}, "types": {}, "missing": ["?"]}).labels
    assert (own.rename, own.types, own.missing) == ({}, {}, ["?"])


def test_the_shipped_one_is_weekly_and_has_labels() -> None:
    shipped = load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml").monitoring
    assert shipped is not None
    assert (shipped.schedule, shipped.days, shipped.min_rows) == ("0 7 * * 1", 90, 100)
    assert shipped.labels is not None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"lables": LABELS}, "monitoring.lables: unknown key; did you mean 'labels'?"),
        ({"schedule": "weekly"}, "monitoring.schedule"),
        ({"days": 0}, "monitoring.days: input should be greater than or equal to 1"),
        ({"min_rows": 5}, "monitoring.min_rows: input should be greater than or equal to 10"),
        ({"labels": {"KIND": "csv"}}, "monitoring.labels.uri: is required"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_name_the_place_and_what_is_allowed(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        monitoring(**section)
    assert message in str(error.value)


def test_it_needs_scoring() -> None:
    with pytest.raises(
        ConfigurationError, match="monitoring: needs `scoring`, whose rows it looks at; add that section"
    ):
        monitoring(churn_document())
