"""Faults through the whole DAG, in real processes: one task fails, once, and one mail says why."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.mailbox import Mailbox, text_of

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

QUICK = {"KIND": "lightgbm", "params": {"n_estimators": 20}}


def tasks(checkout: Checkout) -> dict[str, tuple[str, int]]:
    """Each task's state, and how many times it was tried."""
    with sqlite3.connect(checkout.home / ".airflow" / "airflow.db") as database:
        found = database.execute("select task_id, state, try_number from task_instance").fetchall()
    return {task: (state, tries) for task, state, tries in found}


def mail_to(mailbox: Mailbox, checkout: Checkout) -> None:
    """Add the connection of mails to Airflow's database, as its page of connections does."""
    extra = '{"disable_tls": true, "disable_ssl": true}'
    values = ("smtp_default", "smtp", "127.0.0.1", mailbox.port, extra)
    statement = (
        "insert into connection (conn_id, conn_type, host, port, extra, is_encrypted, is_extra_encrypted) "
        "values (?, ?, ?, ?, ?, 0, 0)"
    )
    with sqlite3.connect(checkout.home / ".airflow" / "airflow.db") as database:
        database.execute(statement, values)


def truncated(checkout: Checkout) -> dict[str, Any]:
    """A CSV file that ends in the middle of a row."""
    from trainer.sources.samples.telco import generate_telco

    file = checkout.home / ".data" / "customers.csv"
    file.parent.mkdir()
    generate_telco(500, 42, 0.0).frame.write_csv(file)
    file.write_bytes(file.read_bytes()[:-30])
    return {"algorithms": {"quick": QUICK}}


def refused_by_the_library(_: Checkout) -> dict[str, Any]:
    """A parameter that only LightGBM knows to be wrong."""
    return {"algorithms": {"quick": {**QUICK, "params": {"learning_rate": "fast"}}}}


@pytest.mark.parametrize(
    ("spoil", "step", "code", "error", "reason"),
    [
        (truncated, "ingest", 3, "DataValidationError", "customers.csv: the header has 21 fields, and 1 of 500 rows"),
        pytest.param(
            refused_by_the_library, "start", 2, "ConfigurationError", "algorithms.quick.params.learning_rate: ",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["data", "configuration"],
)  # fmt: skip
def test_a_fault_fails_one_task_once_and_is_told_once(
    checkout: Checkout, project: Path, spoil: Any, step: str, code: int, error: str, reason: str
) -> None:
    sections = spoil(checkout)
    checkout.pipeline("faulty", **sections, source=csv_source(project))
    with Mailbox() as mailbox:
        mail_to(mailbox, checkout)
        assert checkout.run("faulty") == 1
    log = checkout.log.read_text()
    found = tasks(checkout)
    assert [task for task, (state, _) in found.items() if state == "failed"] == [step], log[-3000:]
    assert found[step][1] <= 1, "a failure that no retry can change was retried"
    assert log.count("no retry can change that") >= 1
    failure = next(checkout.home.glob(f".runs/faulty/*/{step}/failure.json")).read_text()
    assert f'"exit_code": {code}' in failure
    assert f'"error": "{error}"' in failure
    assert reason in failure
    (mail,) = mailbox.messages
    assert mail["Subject"].startswith("Training Pipeline - Failure: faulty")
    assert reason in text_of(mail)
    assert checkout.mails() == []
    assert checkout.client.search_model_versions() == []


def csv_source(project: Path) -> dict[str, Any]:
    """The churn pipeline's source on another file, which no sample may stand in for."""
    from trainer.pipeline import load_pipeline

    source = load_pipeline(project / "include" / "pipelines" / "churn.yaml").source
    return {**source.model_dump(mode="json", exclude_none=True, exclude={"sample"}), "uri": "customers.csv"}
