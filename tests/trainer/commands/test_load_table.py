"""`trainer load-table`: a pipeline trains on the loaded table as on its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from tests.conftest import Surroundings, changed
from tests.postgres import Warehouse
from tests.world import CHURN
from trainer.__main__ import main
from trainer.pipeline import Pipeline
from trainer.sources.readers import read_source
from trainer.sources.samples.registry import generate_sample

ARGUMENTS = ["load-table", "--config", str(CHURN), "--connection", "warehouse", "--table", "customers"]


@pytest.fixture
def published(surroundings: Surroundings) -> Path:
    """A file at the place of the published one, with 50 customers."""
    file = surroundings.home / "data/telco_churn/Telco-Customer-Churn.csv"
    file.parent.mkdir(parents=True)
    generate_sample("telco", 1000, 42, 0).head(50).write_csv(file)
    return file


def test_the_table_has_the_rows_of_the_file(
    published: Path, warehouse: Warehouse, churn: Pipeline, capsys: Any
) -> None:
    assert main(ARGUMENTS) == 0
    assert capsys.readouterr().out == f"customers: 50 rows from file://{published}\n"
    of_file = churn.source.model_copy(update={"uri": str(published)})
    source = {"KIND": "postgres", "connection": "warehouse", "table": "customers"}
    rows, _ = read_source(changed(churn, source=source).source)
    assert_frame_equal(rows, read_source(of_file)[0])


def test_without_the_file_no_sample_is_loaded_as_real_data(
    surroundings: Surroundings, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_SAMPLES", "")
    assert main(ARGUMENTS) == 3
    assert warehouse.execute("SELECT to_regclass('customers')") == [(None,)]
