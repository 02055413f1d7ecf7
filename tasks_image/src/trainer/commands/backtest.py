"""`trainer backtest FILE`: the decisions that each rule would have taken in the past, and their cost."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline
from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.own_code.required import with_code
from trainer.pipeline import AgainstProduction, TabularPipeline
from trainer.process import logs
from trainer.run import RunFolder

if TYPE_CHECKING:
    from trainer.backtest.fits import Data

FOLDER = ".runs/.backtests"


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "backtest",
        help="show what each rule would have decided in the past, and its cost",
        description="Cut the newer rows of a pipeline's table into windows of time, fit a challenger before each, with "
        "the algorithms' parameters as they stand, and replay the rules better, not_worse and always, each with and "
        "without refit: what they would have promoted, and production's metric in each window. Fits are kept.",
    )
    command.add_argument("config", metavar="FILE", help="the pipeline's YAML; it needs columns.time")
    command.add_argument("--windows", type=int, default=12, metavar="N", help="windows of equal length (12)")
    command.add_argument(
        "--first-share", type=_share, default=0.5, metavar="S", help="share of the oldest rows before all windows (0.5)"
    )
    command.add_argument(
        "--margin", type=float, metavar="M", help="margin of not_worse, in the metric's unit (default: the pipeline's)"
    )
    command.add_argument(
        "--algorithm", action="append", metavar="NAME", help="only these algorithms of the pipeline; repeatable"
    )
    command.add_argument("--json", action="store_true", help="print a JSON object")
    command.add_argument("--folder", default=FOLDER, metavar="URI", help=f"where fits and page are kept ({FOLDER})")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay the rules and print them; returns 0.

    Raises ConfigurationError for a pipeline without times, or of other rows than a table's; DataValidationError if a
    window has no rows; and as reading the source and training do.
    """
    from trainer.backtest.fits import REFITS, fit_challenger
    from trainer.backtest.replay import Past, replay
    from trainer.backtest.report import record_of, text_of, write_page
    from trainer.backtest.windows import windows_of

    if not arguments.json:  # the log is on standard output, too
        logs.set_up(read_environment().log_format)
    pipeline = _pipeline(arguments)
    rules = _rules(pipeline, arguments.margin)
    if pipeline.columns.time is None:
        raise ConfigurationError(
            f"{pipeline.name}: columns.time: a backtest needs the column that says when a row was observed; name it"
        )
    data = _read(pipeline, pipeline.columns.time)
    windows = windows_of(data.times, arguments.windows, arguments.first_share)
    folder = RunFolder.open(f"{arguments.folder}/{pipeline.name}")
    past = Past(pipeline, data, windows, [fit_challenger(pipeline, data, window, folder) for window in windows])
    found = [replay(past, name, rule, refit) for name, rule in rules.items() for refit in REFITS]
    margin = rules["not_worse"].margin if "not_worse" in rules else None
    record = record_of(past, found, margin)
    page = write_page(folder, record)
    text = json.dumps({**record, "page": page}, indent=2) if arguments.json else f"{text_of(record)}\nPage: {page}"
    sys.stdout.write(f"{text}\n")
    return 0


def _pipeline(arguments: argparse.Namespace) -> TabularPipeline:
    from trainer.modalities import modality_of
    from trainer.sources.settle import settle_source

    given = given_pipeline(arguments.config)
    chosen = given.for_run({"algorithms": arguments.algorithm}) if arguments.algorithm else given
    settled = settle_source(with_code(chosen, freeze=True), read_environment())
    if not isinstance(settled, TabularPipeline):
        raise ConfigurationError(f"{given.name}: a backtest is for pipelines of tables, not of {given.modality}")
    modality_of(settled).check(settled, settled.selected_algorithms)
    return settled


def _rules(pipeline: TabularPipeline, margin: float | None) -> dict[Any, AgainstProduction]:
    """Return the rules to replay; `not_worse` needs a margin, of the command or of the pipeline."""
    own = pipeline.gates.against_production
    shared = own.model_dump(exclude={"rule", "margin"})
    better = AgainstProduction.model_validate(shared)
    margin = own.margin if margin is None else margin
    if margin is None:
        return {"better": better, "always": better}
    if not 0 < margin < math.inf:
        raise ConfigurationError(f"--margin {margin:g}: the margin must be above 0 and finite, in {own.metric}")
    not_worse = AgainstProduction.model_validate({**shared, "rule": "not_worse", "margin": margin})
    return {"better": better, "not_worse": not_worse, "always": better}


def _read(pipeline: TabularPipeline, time: str) -> Data:
    """Read the source as `ingest` does, in the order of time."""
    import polars as pl

    from trainer.backtest.fits import Data
    from trainer.backtest.windows import times_of
    from trainer.sources.readers import write_source
    from trainer.tables.parquet import file_digest

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.parquet"
        lineage = write_source(pipeline.source, file, pipeline.columns.named)
        digest = file_digest(file)
        rows = pl.read_parquet(file)
    times = times_of(rows.lazy(), time)
    order = times.arg_sort()
    return Data(rows[order], times[order], digest, lineage.source)


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) < 1:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1")
