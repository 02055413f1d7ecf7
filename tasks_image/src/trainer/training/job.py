"""A training job: from rows to a saved, and where asked a registered, model; its parts are chosen by KIND."""

from __future__ import annotations

import contextlib
import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from trainer.evaluation.metric import Metric
from trainer.number_format import number_text
from trainer.pipeline import CutOff, ProblemName, Spec
from trainer.problems import problem_of
from trainer.registry.registers import MlflowRegister, Registered
from trainer.registry.savers import EXAMPLE_ROWS, PyFuncSaver
from trainer.registry.signers import SchemaSigner
from trainer.tables.training_table import SplitPart, TrainingTable
from trainer.training.services import AlertsService, LoggerService, MlflowService, RunConfig, Services

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from mlflow.models.model import ModelInfo

    from trainer.inference.fitted import FittedPipeline
    from trainer.sources.reading import Lineage
    from trainer.tables.row_subset import ChosenRows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a job made."""

    run_id: str
    model_id: str
    model_uri: str
    cut_off: float | None
    metrics: dict[str, dict[str, float]]
    """Figures by part and name."""
    outputs: pl.DataFrame
    """The model's output for the rows of all scored parts, with their place (`__row__`) in the inputs."""
    fitted: FittedPipeline
    registered: Registered | None


@dataclass(frozen=True)
class SplitRows:
    """Rows to learn from and to score, with all raw columns, and where they came from."""

    table: TrainingTable
    inputs_from: Lineage
    targets_from: Lineage


class Job(Spec, ABC):
    """Fits, scores, signs and saves a model on rows that are split already; registers where a register is given.

    What is fitted, and how, is for the job of each modality to say.
    """

    run_config: RunConfig
    problem: ProblemName
    target: str
    positive: str | int | float | bool | None = None
    id: str | None = None
    metrics: list[Metric] = []
    """By default all that fit the problem."""
    score_parts: tuple[SplitPart, ...] = ("train", "validation", "test")
    saver: PyFuncSaver = PyFuncSaver()
    signer: SchemaSigner = SchemaSigner()
    registry: MlflowRegister | None = None
    cut_off: Annotated[float, Field(ge=0, le=1)] | CutOff | None = None
    """The probability from which a row is positive (two classes), or the rule by which it is chosen on the validation
    rows; by default the one with the best F1."""
    seed: int = 42
    logger: LoggerService = LoggerService()
    alerts: AlertsService = AlertsService()
    mlflow: MlflowService = MlflowService()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.cut_off is not None and not problem_of(self.problem).names_positive:
            raise ValueError("cut_off: only a binary classification has one")
        return self

    def run_on(self, rows: contextlib.AbstractContextManager[SplitRows]) -> TrainingResult:
        """Do the whole job in one MLflow run, on rows that are opened there and needed until the model is saved.

        Raises DataValidationError, ConfigurationError, ModelTrainingError or ModelRefusedError; each is logged and
        reported with the stage it happened in.
        """
        from trainer.registry.tracking import log_cost

        client = self.mlflow.client()
        with Services(self.logger, self.alerts, self.run_config.name):
            with self.mlflow.run_context(self.run_config) as active:
                began = time.perf_counter()
                result = self._run_in(active.info.run_id, client, rows)
                log_cost(client, result.run_id, time.perf_counter() - began)
            self._tell(result)
            return result

    def _run_in(self, run_id: str, client: Any, rows: contextlib.AbstractContextManager[SplitRows]) -> TrainingResult:
        from trainer.registry.lineage import log_dataset
        from trainer.registry.tracking import log_metrics, log_params

        with contextlib.ExitStack() as until_read:
            with _stage("reading"):
                split = until_read.enter_context(rows)
                table = replace(split.table, inputs=self.taken(split.table.inputs))
                log_dataset(split.targets_from, "targets")
                log_dataset(split.inputs_from, "inputs", split.table.inputs)
            with _stage("training"):
                fixed = {"algorithm": self.algorithm, "seed": self.seed, "device": self.device}
                log_params(client, run_id, {**fixed, **self.params})
                training = table.rows("train").height
                logger.info("fitting %s on %d rows, on %s", self.algorithm, training, self.device)
                fitted = self.fit(table)
            with _stage("evaluation"):
                outputs, metrics = self._score(fitted, table)
                log_metrics(client, run_id, _flat(metrics))
            with _stage("saving"):
                info = self._save(fitted, table.rows("train"))
        with _stage("registration"):
            registered = self._register(info.model_uri, run_id, split.inputs_from.tags)
        return TrainingResult(
            run_id, info.model_id, info.model_uri, fitted.cut_off, metrics, outputs, fitted, registered
        )

    @property
    @abstractmethod
    def algorithm(self) -> str:
        """What is fitted, such as `xgboost`."""

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """What it is fitted with."""

    @property
    @abstractmethod
    def device(self) -> str:
        """What it is fitted on: `cpu` or `cuda`."""

    @abstractmethod
    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Of raw columns (n rows) those that the model takes."""

    @abstractmethod
    def fit(self, table: TrainingTable) -> FittedPipeline:
        """Everything fitted on the training rows; what is chosen on validation rows is chosen on those."""

    def scored(self, table: TrainingTable, part: SplitPart) -> ChosenRows:
        """Of a part's rows those that are scored: all, unless that takes too long."""
        return table.rows(part)

    def _score(self, fitted: FittedPipeline, table: TrainingTable) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
        import polars as pl

        problem = problem_of(self.problem)
        chosen = self.metrics or [Metric(name=name) for name in problem.figures]
        figures: dict[str, dict[str, float]] = {}
        outputs = []
        for part in self.score_parts:
            rows = self.scored(table, part)
            output = fitted.predict_in_batches(rows)
            predictions = problem.predictions(table.targets.filter(rows.is_chosen), output, self.positive)
            figures[part] = {metric.name: metric.score(problem, predictions) for metric in chosen}
            outputs.append(output.insert_column(0, rows.is_chosen.arg_true().alias("__row__")))
            logger.info("%s rows %s: %s", part, output.height, _readable(figures[part]))
        return pl.concat(outputs), figures

    def _save(self, fitted: FittedPipeline, training: ChosenRows) -> ModelInfo:
        import mlflow

        taken = list(fitted.preparation.inputs)
        example = next(training.batches()).head(EXAMPLE_ROWS).select(taken)
        inputs = training.lazy().select(taken)
        signature = self.signer.sign(inputs, fitted.predict(example), fitted.parameters)
        metadata = {"problem": self.problem, "algorithm": self.algorithm, "cut_off": fitted.cut_off}
        info = self.saver.save(fitted, signature, example, {**metadata, "params": self.params})
        mlflow.set_tag("model_uri", info.model_uri)
        return info

    def _register(self, model_uri: str, run_id: str, lineage: dict[str, str]) -> Registered | None:
        import mlflow

        if self.registry is None:
            return None
        tags = {**lineage, **self.run_config.tags}
        registered = self.registry.register(model_uri, run_id, f"{run_id}/{model_uri}", tags)
        mlflow.set_tag("model_version", registered.version)
        return registered

    def _tell(self, result: TrainingResult) -> None:
        last = self.score_parts[-1]
        version = f", {result.registered.model} version {result.registered.version}" if result.registered else ""
        self.alerts.notify(
            f"{self.run_config.name} done", f"{last}: {_readable(result.metrics[last])}; {result.model_uri}{version}"
        )


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
    """Log a failure with the stage that it happened in, and let it pass on."""
    try:
        yield
    except Exception as error:
        logger.error("%s failed: %s: %s", name, type(error).__name__, error)  # noqa: TRY400  (shown where it ends)
        error.add_note(f"while {name}")
        raise


def _flat(metrics: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{part}_{name}": value for part, figures in metrics.items() for name, value in figures.items()}


def _readable(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {number_text(value)}" for name, value in figures.items())
