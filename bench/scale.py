"""Ten times the rows: each step of a run in a process of its own, its time and the most memory that it held."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench import peak_memory
from bench.commands import environment
from bench.figure import Figure
from trainer.errors import TrainerError
from trainer.run.flow import PER_ALGORITHM

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW_ROWS, MANY_ROWS = 1_000_000, 10_000_000
BATCH_ROWS = 1_000_000
STEPS = ("ingest", "validate", "detect_drift", "engineer_features")
FIT_STEPS = ("ingest", "engineer_features", "tune", "train", "refit")
FITTING = ("tune", "train", "refit")
"""Those of them that fit models."""
ALGORITHM = "xgboost"
MOST_TIME, MOST_BYTES, MOST_BYTES_TO_FIT = 12.0, 3 << 30, 6 << 30
PIPELINE = """
name: scale
description: Many rows
problem: binary_classification
source: {KIND: parquet, uri: %s}
columns: {target: left, positive: "yes", id: id}
validation:
  - {check: expect_table_row_count_to_be_between, dimension: completeness, kwargs: {min_value: 1000}}
  - {check: expect_column_values_to_not_be_null, dimension: completeness, kwargs: {column: number_0}}
  - {check: expect_column_values_to_be_unique, dimension: uniqueness, kwargs: {column: id}}
  - {check: expect_column_values_to_be_between, dimension: validity,
     kwargs: {column: count_0, min_value: 0, max_value: 999}}
  - {check: expect_column_values_to_be_in_set, dimension: validity, kwargs: {column: left, value_set: ["yes", "no"]}}
  - {check: expect_column_values_to_match_regex, dimension: validity, kwargs: {column: id, regex: "^C[0-9]{8}$"}}
  - {check: expect_column_mean_to_be_between, dimension: distribution,
     kwargs: {column: number_1, min_value: -1, max_value: 1}}
features:
  fit: {usual: median(number_0)}
  derive: {ratio: number_1 / count_0, beyond: number_0 - usual}
algorithms: {xgboost: {KIND: xgboost, params: {n_estimators: 50, max_depth: 6}}}
tuning: {enabled: false, metric: auc_roc}
gates: {against_production: {metric: auc_roc}}
registry: {model: scale, experiment: scale}
"""


@dataclass(frozen=True)
class Spent:
    """What a step took."""

    step: str
    seconds: float
    peak_bytes: int


def ten_times_the_rows() -> list[Figure]:
    """The steps up to the features, over 10 M rows against 1 M, and their memory against 3 GiB."""
    few, many = (_run(rows, STEPS) for rows in (FEW_ROWS, MANY_ROWS))
    shown = ", ".join(f"{one.step} {one.seconds:.0f} s {one.peak_bytes / 2**30:.2f} GiB" for one in many)
    how = f"{', '.join(STEPS)} over {MANY_ROWS:,} rows x 18 columns of Parquet, each in a process of its own ({shown})"
    seconds, reference = (sum(one.seconds for one in spent) for spent in (many, few))
    peak = max(one.peak_bytes for one in many)
    return [
        Figure("ten_times_the_rows", seconds, reference, MOST_TIME, "lower", "s", f"{how}, against {FEW_ROWS:,} rows"),
        Figure(
            "ten_million_rows_memory", peak, MOST_BYTES, 1.0, "lower", "B", f"{how}: the most of any, against 3 GiB"
        ),
    ]


def ten_million_rows_training() -> list[Figure]:
    """The steps that fit XGBoost on 10 M rows: the most memory that any of them holds against 6 GiB."""
    spent = [one for one in _run(MANY_ROWS, FIT_STEPS) if one.step in FITTING]
    shown = ", ".join(f"{one.step} {one.seconds:.0f} s {one.peak_bytes / 2**30:.2f} GiB" for one in spent)
    how = (
        f"XGBoost, 50 trees of depth 6, on 70 % of {MANY_ROWS:,} rows x 18 columns of Parquet, in batches: a "
        f"cross-validation of 5 folds, then the model, scored and saved, then once more on the 15 % for validation as "
        f"well ({shown}): the most of any, against 6 GiB"
    )
    peak = max(one.peak_bytes for one in spent)
    return [Figure("ten_million_rows_training", peak, MOST_BYTES_TO_FIT, 1.0, "lower", "B", how)]


def _run(rows: int, steps: tuple[str, ...]) -> list[Spent]:
    """What each step of a run takes whose data is compared with a production trained on as many other rows."""
    with scale_home() as home:
        for name, seed in (("old", 1), ("new", 2)):
            write_rows(home / f"{name}.parquet", rows, seed)
            (home / f"{name}.yaml").write_text(PIPELINE % (home / f"{name}.parquet"), encoding="utf-8")
        _start(home, "old")
        _step(home, "old", "ingest")
        _register(home)
        _start(home, "new")
        return [_step(home, "new", step) for step in steps]


@contextmanager
def scale_home() -> Iterator[Path]:
    """Yield a folder for rows, runs and models, which is removed after the block."""
    with TemporaryDirectory(prefix="bench-scale-") as folder:
        yield Path(folder)


def write_rows(file: Path, rows: int, seed: int) -> None:
    """Seeded rows of 18 columns, a batch at a time: an id, numbers, counts, categories and a target."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    kinds = np.array(["month-to-month", "one year", "two years", "unknown"])
    writer = None
    for begin in range(0, rows, BATCH_ROWS):
        size = min(BATCH_ROWS, rows - begin)
        columns: dict[str, Any] = {"id": [f"C{number:08d}" for number in range(begin, begin + size)]}
        columns |= {f"number_{at}": random.normal(size=size) for at in range(8)}
        columns |= {f"count_{at}": random.integers(0, 1000, size) for at in range(4)}
        columns |= {f"kind_{at}": kinds[random.integers(0, len(kinds), size)] for at in range(4)}
        chance = 1 / (1 + np.exp(-columns["number_0"] + columns["number_1"] * (columns["kind_0"] == "one year")))
        columns["left"] = np.where(random.random(size) < chance, "yes", "no")
        batch = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
        writer.write_table(batch)
    if writer is not None:
        writer.close()


def _start(home: Path, name: str) -> None:
    trainer_step(home, name, "start", "--pipeline", str(home / f"{name}.yaml"))


def _step(home: Path, name: str, step: str) -> Spent:
    return trainer_step(home, name, step, *(["--algorithm", ALGORITHM] if step in PER_ALGORITHM else []))


def trainer_step(home: Path, name: str, step: str, *options: str) -> Spent:
    """Run a step of the run `name` as a process: its time, and the most memory that it held by itself."""
    command = [sys.executable, "-m", "trainer", "step", step, "--run", str(home / "runs" / "scale" / name), *options]
    log, record = home / f"{name}-{step}.log", home / f"{name}-{step}.json"
    with log.open("wb") as output:
        began = time.perf_counter()
        measured = [sys.executable, "-S", peak_memory.__file__, str(record), *command]
        subprocess.run(measured, env=environment(home), stdout=output, stderr=output, check=False)
        seconds = time.perf_counter() - began
    ended = json.loads(record.read_text(encoding="utf-8"))
    if ended["exit_code"]:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise TrainerError(f"{' '.join(command)} ended with exit code {ended['exit_code']}:\n{end}")
    return Spent(step, seconds, int(ended["peak_bytes"]))


def _register(home: Path) -> None:
    """Make the rows of the run `old` those that production was trained on."""
    from mlflow import MlflowClient

    from trainer.registry.versions import DIGEST_TAG, PRODUCTION, SNAPSHOT_TAG
    from trainer.run import RunFolder
    from trainer.run.records import IngestResult

    ingested = RunFolder.open(str(home / "runs" / "scale" / "old")).at("ingest").result(IngestResult)
    client = MlflowClient(environment(home)["MLFLOW_TRACKING_URI"])
    client.create_registered_model("scale")
    tags = {SNAPSHOT_TAG: ingested.snapshot, DIGEST_TAG: ingested.digest}
    version = client.create_model_version("scale", source=f"file://{home}/none", tags=tags)
    client.set_registered_model_alias("scale", PRODUCTION, version.version)
