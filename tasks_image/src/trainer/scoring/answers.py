"""A model's answers checked, and put beside the ids as scored rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError

if TYPE_CHECKING:
    import polars as pl

    from trainer.problems import Problem
    from trainer.run.records import StartScoringResult

REASON = "reason_"
ID, VERSION, RUN, TIME = "id", "model_version", "run", "scored_at"
PREDICTION, PROBABILITY = "prediction", "probability"
EXAMPLES = 5


def refuse_unusable_answers(answers: pl.LazyFrame, problem: Problem, model: str) -> None:
    """Raise ModelRefusedError unless answers (n rows) are numbers or labels, none is missing, and shares are 0 to 1."""
    import polars as pl

    schema = answers.collect_schema()
    shares = [name for name in problem.needed_columns(schema.names()) if name != PREDICTION]
    if absent := [name for name in shares if name not in schema]:
        raise ModelRefusedError(f"{model}: its answers lack {', '.join(absent)}; they have {', '.join(schema)}")
    if texts := [f"{name} ({schema[name]})" for name in shares if not schema[name].is_numeric()]:
        raise ModelRefusedError(f"{model}: expected numbers in {', '.join(texts)}")
    usable = {name: pl.col(name).is_between(0, 1) & pl.col(name).is_not_nan() for name in shares}
    predicted = pl.col(PREDICTION)
    usable[PREDICTION] = predicted.is_finite() if schema[PREDICTION].is_float() else predicted.is_not_null()
    wrong = {name: ~ok.fill_null(value=False) for name, ok in usable.items()}
    counts = answers.select(**{name: which.sum() for name, which in wrong.items()}).collect(engine="streaming")
    for name, number in counts.row(0, named=True).items():
        if number:
            found = answers.filter(wrong[name]).select(name).head(EXAMPLES).collect().to_series().to_list()
            expected = "a number from 0 to 1" if name in shares else "a finite number or a label"
            raise ModelRefusedError(
                f"{model}: expected {expected} in each row of {name!r}, found others in {number:,} rows, such as "
                f"{', '.join(map(repr, found))}; nothing was published"
            )


def scored_rows(
    rows: pl.LazyFrame, row_id: str, answers: pl.LazyFrame, start: StartScoringResult, key: str
) -> pl.LazyFrame:
    """Return one row (n) for each row to score: `id`, answers, reasons, version, run and time."""
    import polars as pl

    names = answers.collect_schema().names()
    taken = [
        name for name in names if name in (PREDICTION, PROBABILITY) or name.startswith((f"{PROBABILITY}_", REASON))
    ]
    ids = rows.select(pl.col(row_id).alias(ID))
    return pl.concat([ids, answers.select(taken)], how="horizontal").with_columns(
        pl.lit(int(start.version), dtype=pl.Int64).alias(VERSION),
        pl.lit(key).alias(RUN),
        pl.lit(datetime.fromisoformat(start.started_at)).dt.replace_time_zone("UTC").alias(TIME),
    )
