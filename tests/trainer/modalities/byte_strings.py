"""A second modality, whose rows are byte strings: whatever it can do, images and texts can do as well."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from byte_counts import ByteCounts, Histogram  # type: ignore[import-not-found]  # on the path of its tests
from pydantic import Field

from trainer.drift.compare import compare_tables
from trainer.drift.new_rows import NewRows
from trainer.errors import ConfigurationError
from trainer.evaluation.behaviour import Changed
from trainer.inference.fitted import FittedPipeline
from trainer.modalities.modality import Compared, Explained, Modality, Prepared
from trainer.pipeline import Algorithm, Behaviour, Pipeline, Spec
from trainer.problems import problem_of
from trainer.registry.own_models import load_fitted
from trainer.run import RunFolder
from trainer.run.records import CheckResult, EvaluateResult, Importance
from trainer.tables.handover import FEATURES, PART
from trainer.tables.training_table import TrainingTable
from trainer.training.job import Job
from trainer.training.run_jobs import common_fields
from trainer.tuning.objective import Score

EPOCHS = 3


class ByteCountsAlgorithm(Algorithm):
    """Counts bytes."""

    KIND: Literal["byte_counts"] = "byte_counts"


class ByteStrings(Spec):
    """The section of a pipeline of byte strings."""

    column: str
    longest: int


class ByteStringPipeline(Pipeline):
    """A pipeline whose rows are byte strings."""

    modality: ClassVar[str] = "byte_strings"
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset({"byte_strings"})
    byte_strings: ByteStrings
    algorithms: Annotated[Mapping[str, ByteCountsAlgorithm], Field(min_length=1)]


class ByteJob(Job):
    """Counts the bytes of the training rows, epoch by epoch."""

    column: str
    alpha: float

    @property
    def algorithm(self) -> str:
        return "byte_counts"

    @property
    def params(self) -> dict[str, Any]:
        return {"alpha": self.alpha}

    @property
    def device(self) -> str:
        return "cpu"

    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        return inputs.select(self.column)

    def fit(self, table: TrainingTable) -> FittedPipeline:
        problem = problem_of(self.problem)
        classes = problem.classes_of(table.targets_of("train"))
        preparation, estimator = Histogram(self.column), ByteCounts(self.alpha)
        codes, numbers = problem.encode(table.targets_of("train"), classes), preparation.transform(_all(table, "train"))
        for _ in range(EPOCHS):
            estimator.fit_epoch(numbers, codes)
        fitted = FittedPipeline(preparation, estimator, classes, problem.positive_of(classes, self.positive))
        aside = table.rows("validation")
        return problem.settle(fitted, (aside, table.targets_of("validation")) if aside.height else None, self.cut_off)


def _all(table: TrainingTable, part: Any) -> pl.DataFrame:
    return table.rows(part).collect()


@dataclass(frozen=True)
class Epochs:
    """Scores after each epoch, on a tenth of the training rows."""

    pipeline: ByteStringPipeline
    rows: pl.DataFrame
    targets: pl.Series
    reports: int = EPOCHS
    can_stop_early: bool = False
    rounds_name: str = "epochs"
    scores_as_given: bool = True

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        return scores[-1].value, 0.0

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:
        problem, histogram = problem_of(self.pipeline.problem), Histogram(self.pipeline.byte_strings.column)
        classes = problem.classes_of(self.targets)
        codes, numbers = problem.encode(self.targets, classes), histogram.transform(self.rows)
        aside = np.arange(len(codes)) % 10 == 0
        estimator, metric = ByteCounts(**params), self.pipeline.tuning.metric
        positive = problem.positive_of(classes, self.pipeline.columns.positive)
        for _ in range(EPOCHS):
            estimator.fit_epoch(numbers[~aside], codes[~aside])
            output = FittedPipeline(histogram, estimator, classes, positive).predict(self.rows.filter(pl.Series(aside)))
            predictions = problem.predictions(self.targets.filter(pl.Series(aside)), output, positive)
            yield Score(problem.score(predictions, [metric])[metric], None)


class ByteStringModality(Modality[ByteStringPipeline]):
    """Byte strings, counted."""

    def check(self, pipeline: ByteStringPipeline, algorithms: Sequence[str]) -> None:
        for name in algorithms:
            if pipeline.algorithms[name].params.get("alpha", 1) <= 0:
                raise ConfigurationError(f"algorithms.{name}.params.alpha: has to be above 0")

    def unusable(self, pipeline: ByteStringPipeline, rows: pl.LazyFrame) -> list[str]:
        column, longest = pipeline.byte_strings.column, pipeline.byte_strings.longest
        sizes = rows.select(pl.col(column).bin.size()).collect().to_series()
        return (
            [f"{column}: {count} byte strings are longer than {longest}"] if (count := (sizes > longest).sum()) else []
        )

    def validate(self, pipeline: ByteStringPipeline, rows: pl.LazyFrame) -> list[CheckResult]:
        column = pipeline.byte_strings.column
        empty = rows.select((pl.col(column).bin.size() == 0).sum()).collect().item()
        return [
            CheckResult(
                check="byte_string_is_not_empty", column=column, dimension="validity", severity="warning",
                passed=empty == 0, unexpected=empty, share=0.0,
            )
        ]  # fmt: skip

    def compare(self, pipeline: ByteStringPipeline, reference: pl.LazyFrame, new: NewRows, page: Path) -> Compared:
        target = pipeline.columns.target
        size = pl.col(pipeline.byte_strings.column).bin.size().alias("size")
        before, now = (rows.select(size, target) for rows in (reference, new.rows))
        moved, of_target = compare_tables(before, now, ["size", target], pipeline.drift)
        page.write_text(f"<!doctype html><title>Drift</title><p>size: {moved.statistics}", encoding="utf-8")
        return Compared([moved], of_target)

    def prepare(self, pipeline: ByteStringPipeline, snapshot: pl.LazyFrame, parts: pl.Series) -> Prepared:
        column = pipeline.byte_strings.column
        return Prepared(snapshot.select(column), [column])

    @contextlib.contextmanager
    def objective(self, pipeline: ByteStringPipeline, run: RunFolder) -> Iterator[Epochs]:
        with run.at("engineer_features").local(FEATURES) as file:
            table = pl.read_parquet(file)
        training = table.filter(pl.col(PART) == "train")
        yield Epochs(pipeline, training, training[pipeline.columns.target])

    def job(self, pipeline: ByteStringPipeline, run: RunFolder, algorithm: str, params: dict[str, Any]) -> ByteJob:
        return ByteJob(**common_fields(pipeline, run, algorithm), column=pipeline.byte_strings.column, **params)

    def check_behaviours(self, pipeline: ByteStringPipeline, schema: pl.Schema | None = None) -> None:
        for behaviour in pipeline.behaviour:
            if behaviour.set != {pipeline.byte_strings.column: "reversed"}:
                raise ConfigurationError(f"behaviour ({behaviour.name}): byte strings can only be reversed")

    def change(self, behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
        (column,) = behaviour.set
        changed = pl.Series(column, [value[::-1] for value in rows[column].to_list()], dtype=pl.Binary)
        return Changed(np.arange(rows.height), rows.with_columns(changed))

    def explain(self, pipeline: ByteStringPipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
        estimator = load_fitted(evaluation.model_id).estimator
        low, high = (np.log(estimator.counts[code] + estimator.alpha) for code in (0, 1))
        first = np.argsort(-abs(high - low))[:5].tolist()
        ranked = [Importance(column=f"byte {one}", value=float(abs(high - low)[one]), share=0.2) for one in first]
        return Explained("permutation", "bytes are no trees", "difference of logarithms", 0, ranked, [])
