"""What steps hand over to each other in a run folder: names of files and columns, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError
from trainer.tables.parquet import read_table

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

SNAPSHOT = "snapshot.parquet"
"""Of `ingest`: the rows as they were read."""
DRIFT = "drift.json"
"""The verdict of `detect_drift` in its folder; it is there also if drift failed the run."""
FEATURES = "features.parquet"
"""Of `engineer_features`: key, part, time or group, inputs, derived columns and target of each row, in the snapshot's
order."""
KEYS = "keys.parquet"
"""Of `engineer_features`: key and part of each row, in the snapshot's order."""
KEY, PART, TIME, GROUP = "__key__", "__part__", "__time__", "__group__"
ROWS = "rows.parquet"
"""Of `read_rows`: the rows to score, as they were read."""
SCORED = "scored.parquet"
"""Of `score`: the scored rows, as they are published."""
TRAINED_PIPELINE = "trained_pipeline.yaml"
"""Of `start_scoring`: the pipeline as the run that made the version has used it."""
LABELS = "labels.parquet"
"""Of `read_labels`: `id` as a string and `label`, one row for each id."""
JUDGED = "judged.parquet"
"""Of `monitor`: model, version, id and look of each answer that was judged by a label."""
PREDICTIONS = "predictions.parquet"
"""Of each step that fits or judges a model: the answers, with the key of each row."""


def rows_of(pipeline: Pipeline, run: RunFolder, part: str) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """A part's rows with all raw columns but the target, its targets and its row keys; no other rows are held.

    Where the target is what a model is given, it stays among the columns.
    """
    import polars as pl

    from trainer.tables.row_subset import ChosenRows

    keys = read_table(run.at("engineer_features"), KEYS)
    chosen = keys[PART] == part
    with run.at("ingest").local(SNAPSHOT) as file:
        rows = ChosenRows(pl.scan_parquet(file), chosen).collect()
    target = pipeline.columns.target
    given = rows if pipeline.target_is_input else rows.drop(target)
    return given, rows[target], keys[KEY].filter(chosen)


def keyed(run: RunFolder, outputs: pl.DataFrame) -> pl.DataFrame:
    """A job's outputs with the key and the part of each row."""
    import polars as pl

    table = read_table(run.at("engineer_features"), FEATURES, [KEY, PART])
    places = outputs["__row__"]
    return pl.concat([table[places], outputs.drop("__row__")], how="horizontal")


def largest_difference(fitted: RunFolder, keys: pl.Series, output: pl.DataFrame) -> float:
    """The largest difference between outputs (n rows, `keys` (n,)) and what was written when the model was fitted.

    Of numbers above 1 it is a share of the number: a sum of thousands of floats is as exact as its size allows.
    `fitted` is the folder of the step that fitted it. Raises ModelRefusedError where rows have no prediction there.
    """
    import polars as pl

    column = "probability" if "probability" in output.columns else "prediction"
    trained = read_table(fitted, PREDICTIONS).unique(KEY).select(KEY, trained=column)
    both = pl.DataFrame({KEY: keys, "loaded": output[column]}).join(trained, on=KEY, how="left")
    if both["trained"].null_count():
        raise ModelRefusedError(f"{both['trained'].null_count()} rows have no prediction from training to compare with")
    shares = (both["loaded"] - both["trained"]).abs() / both["trained"].abs().clip(lower_bound=1.0)
    return float(shares.max() or 0.0)  # type: ignore[arg-type]
