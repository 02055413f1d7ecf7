"""Experiments and outcomes in SQLite and PostgreSQL."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.experiments.test_analysis import experiment
from trainer.errors import ConfigurationError, DataValidationError, OutageError
from trainer.experiments import record_outcome
from trainer.experiments.store import ExperimentStore, store_address
from trainer.serving.exposures import Exposure


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentStore:
    """A store with the running experiment `plans`, in which `u1` and `u2` were answered."""
    monkeypatch.setenv("TRAINER_SERVING", f"local://{tmp_path}/serving")
    if request.param == "postgresql":
        monkeypatch.setenv("TRAINER_EXPERIMENTS", request.getfixturevalue("postgres_database"))
    else:
        monkeypatch.delenv("TRAINER_EXPERIMENTS", raising=False)
    made = ExperimentStore(store_address(os.environ.get("TRAINER_EXPERIMENTS", ""), os.environ["TRAINER_SERVING"]))
    assert made.add(experiment())
    made.add_exposures([Exposure("plans", "u1", "a", 1.0), Exposure("plans", "u2", "b", 2.0)])
    return made


def values(store: ExperimentStore) -> list[float]:
    return sorted(store.units("plans").value[~np.isnan(store.units("plans").value)])


def test_each_unit_has_one_outcome(store: ExperimentStore) -> None:
    store.add_exposures([Exposure("plans", "u1", "b", 9.0)])  # the first one stays
    assert not store.add(experiment(version_b="5"))
    record_outcome("plans", "u1", 1)
    with pytest.raises(DataValidationError, match="unit 'u1' has an outcome already; each unit has one"):
        record_outcome("plans", "u1", 0)
    for unknown in ("u3", "", "u\0", "\ud800"):
        with pytest.raises(DataValidationError, match="was not answered in it; a unit is known about a second after"):
            record_outcome("plans", unknown, 0)
    for wrong in (math.nan, math.inf, True, "1", None):
        with pytest.raises(DataValidationError, match="is not a finite number"):
            record_outcome("plans", "u2", wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="there is no experiment 'plan'; there are: plans"):
        record_outcome("plan", "u2", 0)
    store.update(experiment(ended_at=5.0))
    with pytest.raises(ConfigurationError, match="experiment plans has ended; the outcome of unit 'u2' is not"):
        record_outcome("plans", "u2", 0)
    found = store.units("plans")
    assert (values(store), sorted(found.first_at), sorted(found.in_b)) == ([1.0], [1.0, 2.0], [False, True])


def test_of_outcomes_at_the_same_time_one_is_kept(store: ExperimentStore) -> None:
    def record(value: int) -> bool:
        try:
            record_outcome("plans", "u2", value)
        except DataValidationError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(record, range(16)))
    assert values(store) == [float(kept.index(True))]
    assert sum(kept) == 1


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("mysql://host/db", ConfigurationError, "TRAINER_EXPERIMENTS is not an address of a database"),
        ("secret-word", ConfigurationError, "TRAINER_EXPERIMENTS is not an address of a database"),
        ("postgresql://me:secret-word@127.0.0.1:9/db", OutageError, r"me:\*\*\*@127\.0\.0\.1:9/db\) does not answer"),
    ],
)
def test_a_store_that_cannot_be_opened(address: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        ExperimentStore(address)
    assert "secret-word" not in str(raised.value)


def test_without_a_router_there_is_no_store() -> None:
    with pytest.raises(ConfigurationError, match="experiments need a router on this machine"):
        store_address("", "")
