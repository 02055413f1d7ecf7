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

TRAINING_ROWS, BARE_ROWS, BATCH_ROWS = 200_000, 1_000_000, 100_000
MOST_BYTES, LEAST_SHARE = 3 << 30, 0.7
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


def scoring(rows: int = MANY_ROWS) -> list[Figure]:
    """Score rows by the steps of the flow: the step `score` against the bare model, the memory of all against 3 GiB."""
    with scale_home() as home:
        for name, number, seed in (("old", TRAINING_ROWS, 1), ("new", rows, 2)):
            write_rows(home / f"{name}.parquet", number, seed)
        file = home / "scale.yaml"
        section = SECTION % (home / "new.parquet", home / "scores")
        file.write_text(PIPELINE % (home / "old.parquet") + section, encoding="utf-8")
        timed([sys.executable, "-m", "trainer", "train", "--config", str(file), "--promote-to-production"], home)
        spent = [_step(home, step.name, file) for step in SCORING]
        bare = _bare_rows_per_second(home)
    shown = ", ".join(f"{one.step} {one.seconds:.0f} s {one.peak_bytes / 2**30:.2f} GiB" for one in spent)
    what = f"XGBoost, 50 trees of depth 6, over {rows:,} rows x 18 columns of Parquet"
    how = f"{what} in batches of {BATCH_ROWS:,} ({shown})"
    [score] = [one for one in spent if one.step == "score"]
    peak = max(one.peak_bytes for one in spent)
    against = f"the whole step `score`, its start and its files included, against the bare model's predict: {how}"
    return [
        Figure("scoring_throughput", rows / score.seconds, bare, LEAST_SHARE, "higher", "rows/s", against),
        Figure("scoring_memory", peak, MOST_BYTES, 1.0, "lower", "B", f"the most of any process, against 3 GiB: {how}"),
    ]


def _step(home: Path, step: str, file: Path) -> Spent:
    given = ["--pipeline", str(file)] if step == SCORING[0].name else []
    return trainer_step(home, "scoring", step, *given)


def _bare_rows_per_second(home: Path) -> float:
    command = [sys.executable, "-c", BARE, str(home / "new.parquet"), str(BATCH_ROWS), str(BARE_ROWS)]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
