"""What the world did to a step, in words that a person can act on."""

from __future__ import annotations

import errno

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.web_server import WebFile
from trainer.errors import ConfigurationError, DataValidationError, OutageError
from trainer.run.outages import is_database_outage, mlflow_outage, outage_explained

API = "API request to http://me:secret@mlflow:5000/api/2.0/mlflow/runs/create failed with exception "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("... [Errno 111] Connection refused'))", "MLflow at http://mlflow:5000 is not reachable: Connection refused"),
        ("ReadTimeoutError(Read timed out. (read timeout=30))", "MLflow at http://mlflow:5000 did not answer in time"),
        ("ResponseError('too many 503 error responses'))", "MLflow at http://mlflow:5000 answers 503, an error of its own"),
        ("(Caused by Odd('thing'))", r"MLflow at http://mlflow:5000 is not reachable: Odd\('thing'\)\)"),
    ],
    ids=["refused", "late", "503", "else"],
)  # fmt: skip
def test_mlflow_is_named_without_its_password(text: str, told: str) -> None:
    error = outage_explained(RuntimeError(API + text), "file:///runs/churn/key")
    assert isinstance(error, OutageError)
    with pytest.raises(OutageError, match=told):
        raise error
    assert "secret" not in str(error)
    assert error.exit_code == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_login_that_mlflow_refuses_is_not_tried_again(code: int, web_file: WebFile) -> None:
    web_file.statuses = [code]
    with pytest.raises(MlflowException) as raised:
        MlflowClient(web_file.address.rpartition("/")[0]).get_experiment_by_name("churn")
    error = outage_explained(raised.value, "file:///runs/churn/key")
    assert isinstance(error, ConfigurationError)
    assert f"it answers {code} to /api/2.0/mlflow/experiments/get-by-name. Correct the connection" in str(error)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/runs/a"), "no space is left to write to /runs/a"),
        (RuntimeError("parquet: IO: File too large (os error 27)"), "no space is left to write to s3://b/runs/key"),
        (PermissionError(errno.EACCES, "Access Denied"), "s3://b/runs/key may not be written or read"),
        (RuntimeError("(sqlite3.OperationalError) database is locked"), "a database is locked by another process"),
        (OSError(errno.EIO, "(507) when calling PutObject"), r"the store of s3://b/runs/key failed .*507"),
    ],
    ids=["full", "full, said by polars", "read-only", "locked", "remote"],
)
def test_stores_are_named_too(error: Exception, told: str) -> None:
    with pytest.raises(OutageError, match=told):
        raise outage_explained(error, "s3://b/runs/key")


@pytest.mark.parametrize("kind", ["OperationalError", "InterfaceError", "DatabaseError"])
def test_a_connection_that_is_lost_is_an_outage(kind: str) -> None:
    raised = getattr(sqlalchemy.exc, kind)("SELECT 1", None, Exception("server closed the connection"))
    raised.connection_invalidated = kind == "DatabaseError"
    outer = RuntimeError("An exception is raised during the commit")
    outer.__cause__ = raised
    assert is_database_outage(outer)
    with pytest.raises(OutageError, match="a database does not answer .*server closed the connection"):
        raise outage_explained(outer, "/runs")


def test_what_a_database_refuses_is_no_outage() -> None:
    assert not is_database_outage(sqlalchemy.exc.IntegrityError("INSERT", None, Exception("duplicate key")))
    assert not is_database_outage(ValueError("a database does not answer"))


def test_the_cause_counts_as_well() -> None:
    outer = RuntimeError("commit failed")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/studies/a.journal")
    assert "/studies/a.journal" in str(outage_explained(outer, "/runs"))


@pytest.mark.parametrize(
    "error",
    [DataValidationError("17 rows are wrong"), ZeroDivisionError("division by zero"), FileNotFoundError("absent.csv")],
    ids=lambda error: type(error).__name__,
)
def test_all_else_stays_what_it_is(error: Exception) -> None:
    assert outage_explained(error, "s3://b/runs/key") is error


def test_what_mlflow_says_of_other_things_is_no_outage() -> None:
    assert not mlflow_outage("RESOURCE_DOES_NOT_EXIST: Registered Model with name=a not found")
