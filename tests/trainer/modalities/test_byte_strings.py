"""A second modality goes through every step, on files of its own alone: the seam holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trainer.modalities
from tests.conftest import Surroundings
from tests.trainer.modalities.byte_strings import EPOCHS, ByteStringModality, ByteStringPipeline
from tests.trainer.modalities.conftest import OWN_CODE
from trainer.commands.step import run_step
from trainer.environment import variable_name
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import PIPELINES, pipeline_of
from trainer.run import RunFolder
from trainer.run.left_out import never_published
from trainer.run.records import (
    AcceptResult,
    DriftResult,
    EvaluateResult,
    ExplainResult,
    PromoteResult,
    RefitResult,
    TuneResult,
    ValidateResult,
)

DOCUMENT: dict[str, Any] = {
    "name": "shouts",
    "description": "which messages are loud",
    "problem": "binary_classification",
    "source": {"KIND": "parquet", "uri": ""},
    "columns": {"target": "kind", "positive": "loud", "id": "number"},
    "byte_strings": {"column": "message", "longest": 64},
    "algorithms": {"counts": {"KIND": "byte_counts", "params": {"alpha": 1.0}, "search": {"alpha": {"low": 0.1, "high": 9.0}}}},
    "tuning": {"metric": "auc_roc", "trials": 3, "startup_trials": 2, "workers": 2},
    "gates": {"auc_roc": 0.7, "against_production": {"metric": "auc_roc", "resamples": 200, "min_rows": 30}},
    "behaviour": [{"name": "order", "set": {"message": "reversed"}, "expect": "unchanged"}],
    "registry": {"model": "shouts", "experiment": "shouts"},
}  # fmt: skip
STEPS = (
    "start", "ingest", "validate", "detect_drift", "engineer_features", "tune_worker", "tune", "train", "refit", "evaluate", "explain",
    "decide", "register", "accept", "promote", "report",
)  # fmt: skip


def messages(rows: int, seed: int, longest: int = 20) -> pl.DataFrame:
    """Loud messages have more high bytes than quiet ones; some bytes are no text in any encoding."""
    random = np.random.default_rng(seed)
    loud = random.random(rows) < 0.4
    drawn = [random.integers(90 if one else 60, 256 if one else 230, random.integers(5, longest)) for one in loud]
    return pl.DataFrame({
        "number": pl.int_range(seed * 100_000, seed * 100_000 + rows, eager=True),
        "message": [bytes(values.tolist()) for values in drawn],
        "kind": np.where(loud, "loud", "quiet").tolist(),
    })


@pytest.fixture
def registered(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modality is known to this process, and what travels in its models is on the path."""
    monkeypatch.setitem(PIPELINES, "byte_strings", ByteStringPipeline)
    modality = f"{ByteStringModality.__module__}.{ByteStringModality.__name__}"
    monkeypatch.setitem(trainer.modalities.MODALITIES, "byte_strings", modality)
    monkeypatch.setenv(variable_name("code"), str(OWN_CODE))


def run_all(folder: Path, key: str, rows: pl.DataFrame, steps: tuple[str, ...] = STEPS, **sections: Any) -> RunFolder:
    """The steps in order, on a file of these rows."""
    file = folder / f"{key}.parquet"
    rows.write_parquet(file)
    pipeline = pipeline_of({**DOCUMENT, "source": {"KIND": "parquet", "uri": str(file)}, **sections})
    run = RunFolder.open(f"file://{folder}/runs/shouts/{key}")
    run_step("start", run, pipeline)
    for name in steps[1:]:
        worker = 1 if name == "tune_worker" else 0
        run_step(name, run, run.pipeline(), "counts" if name in {"tune_worker", "tune", "train"} else "", worker)
    return run


def test_it_goes_through_every_step(registered: None, surroundings: Surroundings) -> None:
    first = run_all(surroundings.home, "one", messages(600, seed=1))
    assert first.at("validate").result(ValidateResult).passed
    tuned = first.at("tune", "counts").result(TuneResult)
    assert (tuned.trials, len(tuned.fold_scores)) == (3, EPOCHS)
    judged = first.at("evaluate").result(EvaluateResult)
    assert judged.metrics["auc_roc"] > 0.7
    assert judged.behaviour[0].largest_change == 0, "the order of bytes does not count"
    assert first.at("accept").result(AcceptResult).largest_difference < 1e-6
    assert first.at("promote").result(PromoteResult).aliases["production"] == "1"
    explained = first.at("explain").result(ExplainResult)
    assert explained.importance[0].column.startswith("byte ")
    assert {plot.name for plot in explained.plots} >= {"confusion_matrix", "roc"}

    why = never_published(first.pipeline(), "redis://store")
    assert why == "its rows have no features that could be asked for"

    second = run_all(surroundings.home, "two", messages(600, seed=2, longest=60))
    drift = second.at("detect_drift").result(DriftResult)
    assert [(column.column, column.drifted) for column in drift.columns] == [("size", True)]
    compared = second.at("evaluate").result(EvaluateResult)
    assert compared.production_version == "1"
    assert compared.comparison is not None


def test_what_is_promoted_can_be_fitted_on_all_rows(registered: None, surroundings: Surroundings) -> None:
    hours = pl.datetime_range(pl.datetime(2026, 1, 1), interval="1h", end=pl.datetime(2026, 1, 25, 23), eager=True)
    sections = {
        "columns": {**DOCUMENT["columns"], "time": "at"}, "split": {"KIND": "time"}, "refit": "everything",
        "tuning": {"enabled": False, "metric": "auc_roc"},
    }  # fmt: skip
    steps = (*STEPS[: STEPS.index("register")], "refit_everything", *STEPS[STEPS.index("register") :])
    named = tuple(name for name in steps if name != "tune_worker")
    run = run_all(surroundings.home, "all", messages(600, 3).with_columns(at=hours), named, **sections)
    assert run.at("refit_everything").result(RefitResult).learned_from == ["train", "validation", "test"]
    assert run.at("promote").result(PromoteResult).aliases["production"] == "1"


def test_its_own_checks_refuse(registered: None, surroundings: Surroundings) -> None:
    with pytest.raises(DataValidationError, match="message: 1 byte strings are longer than 64"):
        run_all(surroundings.home, "long", messages(100, 1).with_columns(
            message=pl.when(pl.col("number") == 100_000).then(pl.lit(b"x" * 65)).otherwise("message")
        ))  # fmt: skip
    algorithms = {"counts": {"KIND": "byte_counts", "params": {"alpha": 0}}}
    with pytest.raises(ConfigurationError, match=r"algorithms\.counts\.params\.alpha: has to be above 0"):
        run_all(surroundings.home, "bad", messages(100, 1), algorithms=algorithms)


def test_what_belongs_to_tables_is_an_unknown_key(registered: None) -> None:
    with pytest.raises(ConfigurationError, match="features: unknown key"):
        pipeline_of({**DOCUMENT, "features": {"derive": {"x": "1"}}})


def test_without_its_section_a_row_is_one_of_a_table() -> None:
    with pytest.raises(ConfigurationError, match=r"byte_strings: unknown key.*allowed:.*features"):
        pipeline_of(DOCUMENT)
