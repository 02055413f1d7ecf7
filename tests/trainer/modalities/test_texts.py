"""Pipelines of texts: the whole chain on the built-in articles and on a stranger's files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Surroundings
from tests.world import PROJECT
from trainer.commands.step import run_step
from trainer.pipeline import pipeline_of
from trainer.run import RunFolder
from trainer.run.records import (
    FeaturesResult,
    ValidateResult,
)

pytest.importorskip("transformers", reason="transformers is not installed: make setup-deep")

WIKITEXT = PROJECT / "include" / "pipelines" / "wikitext.yaml"
QUICK = {
    "epochs": 1, "lr": 0.01, "batch_size": 8, "layers": 1, "width": 16, "heads": 2, "block_length": 32, "vocabulary": 300,
    "dropout": 0.0,
}  # fmt: skip
STEPS = (
    "ingest", "validate", "detect_drift", "engineer_features", "tune", "train", "refit", "evaluate", "explain", "decide",
    "register", "accept", "promote", "report",
)  # fmt: skip


def document(**sections: Any) -> dict[str, Any]:
    """The pipeline of WikiText on the built-in articles, with a model of a few thousand weights."""
    shipped: dict[str, Any] = yaml.safe_load(WIKITEXT.read_text())
    algorithms = {
        "scratch": {"KIND": "gpt2_from_scratch", "params": QUICK, "search": {"lr": {"low": 0.005, "high": 0.02}}}
    }
    source = {"KIND": "sample", "sample": "articles", "rows": 300}
    return {**shipped, "source": source, "algorithms": algorithms, "acceptance": {"batch_rows": 2}, **sections}


def run_all(folder: Path, key: str, steps: tuple[str, ...] = STEPS, **sections: Any) -> RunFolder:
    run = RunFolder.open(f"file://{folder}/runs/wikitext/{key}")
    run_step("start", run, pipeline_of(document(**sections)))
    for name in steps:
        run_step(name, run, run.pipeline(), "scratch" if name in {"tune", "train"} else "")
    return run


def test_the_whole_chain_on_the_built_in_articles(surroundings: Surroundings) -> None:
    run = run_all(surroundings.home, "one")
    assert run.at("validate").result(ValidateResult).failed == []
    made = run.at("engineer_features").result(FeaturesResult)
    assert (made.rows, made.inputs) == ({"train": 210, "validation": 45, "test": 45}, ["text"])
