"""`trainer init FILE --target COLUMN`: profile a file and draft a pipeline for it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from trainer.environment import read_environment
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import did_you_mean
from trainer.pipeline.metrics import ProblemName
from trainer.problems import problem_of

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from trainer.drafting.draft import Draft
    from trainer.problems import Problem

PIPELINES = Path("include/pipelines")
LEAST_ROWS, LEAST_OF_CLASS = 100, 10
MOST_CLASSES, MOST_WHOLE_CLASSES, BOTH = 20, 10, 2
WIDEST = 40


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "init",
        help="profile a file and draft a pipeline for it",
        description="Profile a CSV or Parquet file: types, missing values, ranges, categories and what is suspicious "
        "(ids, constants, columns that give the target away). Drafts a pipeline with the reasons as comments.",
    )
    command.add_argument("file", metavar="FILE", help="a path or an fsspec address")
    command.add_argument("--target", required=True, metavar="COLUMN", help="what to predict")
    command.add_argument("--problem", choices=get_args(ProblemName), help="default: inferred from the target")
    command.add_argument("--name", help="the pipeline's name (default: the file's)")
    command.add_argument("--output", type=Path, metavar="FILE", help=f"the draft (default: {PIPELINES}/<name>.yaml)")
    command.add_argument("--force", action="store_true", help="overwrite it")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Profile, draft and write; returns 0. Raises ConfigurationError or DataValidationError."""
    from trainer.drafting.draft import draft_pipeline
    from trainer.pipeline import parse_pipeline

    name = arguments.name or pipeline_name(arguments.file)
    output = arguments.output or PIPELINES / f"{name}.yaml"
    if not output.parent.is_dir():
        raise ConfigurationError(f"{output}: there is no folder {output.parent} here; --output names another file")
    if output.exists() and not arguments.force:
        raise ConfigurationError(f"{output}: is there already; --force overwrites it, --output names another")
    draft = make_draft(arguments.file, arguments.target, arguments.problem, name)
    text = draft_pipeline(draft)
    parse_pipeline(text, str(output))
    sys.stdout.write(describe(draft))
    output.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{output}: written; read it, then: make run PIPELINE={name}\n")
    return 0


def pipeline_name(file: str) -> str:
    """A pipeline's name from a file's: small letters, digits and underscores."""
    stem = re.sub(r"[^a-z0-9]+", "_", Path(file).stem.lower()).strip("_")
    return (stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_"))[:60]


def make_draft(file: str, target: str, problem: str | None, name: str) -> Draft:
    """Read and profile a file. Raises DataValidationError where nothing can be learned from it."""
    from trainer.drafting.column_profile import profile_table
    from trainer.drafting.draft import Draft
    from trainer.drafting.features import find_dates
    from trainer.drafting.infer_csv import index_of, understand_source
    from trainer.sources.built_dates import build_dates

    uri = file if "://" in file else str(Path(file).resolve())
    source, frame = understand_source(uri)
    dates = find_dates(frame, target)
    frame = build_dates(frame.lazy(), dates, file).collect()
    chosen = problem_of(problem or infer_problem(frame, target, file))
    _refuse(frame, target, chosen, file)
    relative = source.model_copy(update={"uri": _below_data_store(uri), "dates": dates})
    index = [name for name in index_of(uri) if name != target]
    columns = [c for c in profile_table(frame, target, chosen) if c.name not in index or c.suspicion in ("id", "time")]
    return Draft(name, target, chosen, relative, frame.select(c.name for c in columns), columns)


def infer_problem(frame: pl.DataFrame, target: str, file: str) -> str:
    """What kind of target it is: by its type and the number of its values."""
    if target not in frame.columns:
        raise ConfigurationError(
            f"{file}: --target: there is no column {target!r}{did_you_mean(target, frame.columns)}"
        )
    values = frame[target].drop_nulls()
    distinct = values.n_unique()
    if distinct == BOTH:
        return "binary_classification"
    numeric = values.dtype.is_numeric()
    few = distinct <= MOST_WHOLE_CLASSES and not values.dtype.is_float()
    return "regression" if numeric and not few else "multiclass_classification"


def describe(draft: Draft) -> str:
    """The profile as a table, and what is suspected and why."""
    from trainer.drafting.column_profile import duplicates

    rows = [("column", "type", "missing", "distinct", "values", "")]
    for column in draft.columns:
        shown = ", ".join(map(str, column.categories)) if column.low is None else f"{column.low} … {column.high}"
        values = shown if len(shown) <= WIDEST else f"{shown[: WIDEST - 1]}…"
        role = "target" if column.name == draft.target else column.suspicion or ""
        share = f"{column.missing:,} ({column.missing / column.rows:.1%})" if column.missing else "0"
        rows.append((column.name, column.type, share, f"{column.distinct:,}", values, role))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    facts = [f"{draft.frame.height:,} rows, {draft.frame.width} columns; {draft.problem.name.replace('_', ' ')}"]
    if draft.source.missing:
        facts.append(f"texts that mean a missing value: {', '.join(map(repr, draft.source.missing))}")
    if repeated := duplicates(draft.frame):
        facts.append(
            f"{repeated:,} rows repeat an earlier one; without an id, equal rows stay in one part of the split"
        )
    suspected = [f"{c.name}: {c.suspicion}: {c.why}" for c in draft.columns if c.suspicion]
    return "\n".join([*lines, "", *facts, *suspected, ""])


def _refuse(frame: pl.DataFrame, target: str, problem: Problem, file: str) -> None:
    if target not in frame.columns:
        raise ConfigurationError(
            f"{file}: --target: there is no column {target!r}{did_you_mean(target, frame.columns)}"
        )
    if frame.height < LEAST_ROWS:
        raise DataValidationError(
            f"{file}: {frame.height} rows are too few to train and judge a model; {LEAST_ROWS} at least"
        )
    values = frame[target]
    if values.null_count():
        raise DataValidationError(
            f"{file}: {target!r} is missing in {values.null_count()} of {frame.height} rows; leave those out"
        )
    if values.n_unique() == 1:
        raise DataValidationError(f"{file}: {target!r} is {values[0]!r} in every row; there is nothing to learn")
    if not problem.has_classes:
        if not values.dtype.is_numeric():
            raise DataValidationError(
                f"{file}: {target!r} is {values.dtype}, and a regression needs numbers; see --problem"
            )
        return
    _refuse_classes(values, problem, file)


def _refuse_classes(values: pl.Series, problem: Problem, file: str) -> None:
    counts = values.value_counts().sort("count")
    most = BOTH if problem.names_positive else MOST_CLASSES
    if counts.height > most:
        raise DataValidationError(
            f"{file}: {values.name!r} has {counts.height} classes, {most} at most for a {problem.name}; "
            "name another target, or a regression by --problem if it is a number"
        )
    label, rows = counts.row(0)
    if rows < LEAST_OF_CLASS:
        raise DataValidationError(
            f"{file}: {values.name!r} is {label!r} in {rows} rows only; {LEAST_OF_CLASS} of a class at least"
        )


def _below_data_store(uri: str) -> str:
    """The address as a pipeline gives it: relative to the environment's data store where it lies in there."""
    try:
        store = read_environment().data_store
    except ConfigurationError:  # no environment is set: a draft needs none
        return uri
    folder = store.removeprefix("file://").rstrip("/")
    return uri.removeprefix(f"{folder}/") if folder else uri
