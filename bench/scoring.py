"""Batch scoring of many rows: each step in a process of its own, beside the bare model."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.commands import environment, timed
from bench.figure import Figure
from bench.scale import MANY_ROWS, PIPELINE, scale_home, trainer_step, write_rows
from trainer.run.flow import SCORING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.scale import Spent

TRAINING_ROWS, FEW_ROWS, BARE_ROWS, BATCH_ROWS = 200_000, 1_000_000, 1_000_000, 100_000
MOST_BYTES, LEAST_SHARE = 3 << 30, 0.7
MODEL = PIPELINE.replace("n_estimators: 50", "n_estimators: 100")
WHAT = "XGBoost, 100 trees of depth 6"
SECTION = """
scoring:
  source: {KIND: parquet, uri: %s}
  output: {KIND: parquet, uri: %s}
  batch_rows: 100000
"""
BARE = """
import sys, time
import mlflow, pyarrow.parquet as pq
model = mlflow.pyfunc.load_model("models:/scale@production")
names = model.metadata.get_input_schema().input_names()
batches = pq.ParquetFile(sys.argv[1]).iter_batches(batch_size=int(sys.argv[2]), columns=names)
rows, seconds = 0, 0.0
model.predict(next(batches).to_pandas())
for batch in batches:
    frame = batch.to_pandas()
    began = time.perf_counter()
    model.predict(frame)
    seconds += time.perf_counter() - began
    rows += len(frame)
    if rows >= int(sys.argv[3]):
        break
print(rows / seconds)
"""
"""The registered model in a process of its own, which is given batches that are in memory already."""


def scoring(few: int = FEW_ROWS, many: int = MANY_ROWS) -> list[Figure]:
    """The rows that `score` gets through in a second, beside the bare model, and the memory of all steps.

    What more rows take is counted, so the start of processes is not part of it.
    """
    with scale_home() as home:
        write_rows(home / "old.parquet", TRAINING_ROWS, seed=1)
        file = home / "scale.yaml"
        section = SECTION % (home / "new.parquet", home / "scores")
        file.write_text(MODEL % (home / "old.parquet") + section, encoding="utf-8")
        timed([sys.executable, "-m", "trainer", "train", "--config", str(file), "--promote-to-production"], home)
        first, spent = (_run(home, file, rows) for rows in (few, many))
        bare = _bare_rows_per_second(home)
    shown = ", ".join(f"{one.step} {one.seconds:.0f} s {one.peak_bytes / 2**30:.2f} GiB" for one in spent.values())
    how = f"{WHAT}, over {many:,} rows x 18 columns of Parquet in batches of {BATCH_ROWS:,} ({shown})"
    speed = (many - few) / (spent["score"].seconds - first["score"].seconds)
    peak = max(one.peak_bytes for one in spent.values())
    against = f"`score` beyond the time of {few:,} rows, its files included, against predict of the bare model: {how}"
    return [
        Figure("scoring_throughput", speed, bare, LEAST_SHARE, "higher", "rows/s", against),
        Figure("scoring_memory", peak, MOST_BYTES, 1.0, "lower", "B", f"the most of any process, against 3 GiB: {how}"),
    ]


def _run(home: Path, file: Path, rows: int) -> dict[str, Spent]:
    """Return the time and memory of each step that scores so many rows."""
    write_rows(home / "new.parquet", rows, seed=2)
    given = {SCORING[0].name: ["--pipeline", str(file)]}
    name = f"scoring-{rows}"
    return {step.name: trainer_step(home, name, step.name, *given.get(step.name, [])) for step in SCORING}


def _bare_rows_per_second(home: Path) -> float:
    command = [sys.executable, "-c", BARE, str(home / "new.parquet"), str(BATCH_ROWS), str(BARE_ROWS)]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
