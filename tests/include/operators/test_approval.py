"""An answer outlives a store that is away, and a question needs no address of Airflow."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import EndpointConnectionError

from include.flows.questions import question_link
from include.operators import approval
from include.operators.approval import ApproveStartOperator
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline

STORE = "s3://bucket/runs/churn/first"


@pytest.fixture
def task(churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> ApproveStartOperator:
    """A task that asks; it tries again at once."""
    monkeypatch.setattr(approval, "wait_exponential", lambda **_: lambda _: 0)
    return ApproveStartOperator(task_id="approve_start", run=STORE, pipeline=churn)


def test_an_answer_is_tried_again_while_an_object_store_is_away(task: ApproveStartOperator) -> None:
    away = [EndpointConnectionError(endpoint_url="http://s3"), EndpointConnectionError(endpoint_url="http://s3")]

    def keep() -> str:
        if away:
            raise away.pop()
        return "kept"

    assert task._keep(keep) == "kept"


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ValueError("a bug"), ValueError), (ConfigurationError("wrong"), AirflowFailException)],
)
def test_an_error_that_no_retry_changes_is_raised_at_once(
    task: ApproveStartOperator, error: Exception, raised: type[Exception]
) -> None:
    tries = []

    def keep() -> None:
        tries.append(1)
        raise error

    with pytest.raises(raised, match=str(error)):
        task._keep(keep)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("", ""),
        (
            "https://example.com/airflow/",
            "https://example.com/airflow/dags/churn_training/runs/a%2Fb%20c/tasks/approve/required_actions?map_index=-1",
        ),
    ],
)
def test_the_link_keeps_the_path_of_airflows_address_and_quotes_the_run(
    base: str, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert question_link("churn_training", "a/b c", "approve") == link
