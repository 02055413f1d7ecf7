"""TrainingJob: from rows to a saved, and where asked a registered, model; its parts are chosen by KIND."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainer.environment import cores
from trainer.errors import ConfigurationError, DataValidationError
from trainer.evaluation.metric import Metric
from trainer.number_format import number_text
from trainer.pipeline import AnySource, Columns, Features, Preprocess, ProblemName, Spec
from trainer.problems import problem_of
from trainer.registry.registers import MlflowRegister, Registered
from trainer.registry.savers import EXAMPLE_ROWS, PyFuncSaver
from trainer.registry.signers import SchemaSigner
from trainer.sources.readers import local_copy
from trainer.tables.column_splitter import AnySplitter, parts_of
from trainer.tables.splitters import RandomSplitter
from trainer.tables.training_table import SplitPart, TrainingTable
from trainer.training.estimators import LightGBMModel, SklearnModel, XGBoostModel
from trainer.training.services import AlertsService, LoggerService, MlflowService, RunConfig, Services

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from mlflow.models.model import ModelInfo

    from trainer.inference.fitted import FittedPipeline
    from trainer.sources.reading import Lineage
    from trainer.tables.row_subset import ChosenRows

logger = logging.getLogger(__name__)

AnyModel = Annotated[XGBoostModel | LightGBMModel | SklearnModel, Field(discriminator="KIND")]


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


class TrainingJob(Spec):
    """Reads, splits, fits, scores, signs and saves; registers where a register is given.

    >>> job = TrainingJob(
    ...     run_config={"experiment": "leavers", "name": "by-hand"},
    ...     problem="binary_classification",
    ...     inputs={"KIND": "sample", "rows": 500, "missing": [" "]},
    ...     targets={"KIND": "sample", "rows": 500, "missing": [" "]},
    ...     target="Churn",
    ...     positive="Yes",
    ...     exclude=["customerID", "Churn"],
    ...     model={"KIND": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    ... )
    >>> job.splitter.KIND
    'random'
    """

    KIND: Literal["training"] = "training"
    run_config: RunConfig
    problem: ProblemName
    inputs: AnySource
    """The raw inputs; declared `types` are the schema they must have."""
    targets: AnySource
    """The same rows in the same order, with the target."""
    target: str
    positive: str | int | float | bool | None = None
    id: str | None = None
    exclude: list[str] = []
    """Columns that must not be inputs; expressions of features may use them."""
    features: Features = Features()
    preprocess: Preprocess = Preprocess()
    model: AnyModel
    metrics: list[Metric] = []
    """By default all that fit the problem."""
    splitter: AnySplitter = RandomSplitter()
    score_parts: tuple[SplitPart, ...] = ("train", "validation", "test")
    saver: PyFuncSaver = PyFuncSaver()
    signer: SchemaSigner = SchemaSigner()
    registry: MlflowRegister | None = None
    cut_off: Annotated[float, Field(ge=0, le=1)] | None = None
    """The probability from which a row is positive (two classes); by default the one with the best F1 on the
    validation rows."""
    seed: int = 42
    logger: LoggerService = LoggerService()
    alerts: AlertsService = AlertsService()
    mlflow: MlflowService = MlflowService()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.cut_off is not None and not problem_of(self.problem).names_positive:
            raise ValueError("cut_off: only a binary classification has one")
        return self

    def run(self) -> TrainingResult:
        """Do the whole job in one MLflow run.

        Raises DataValidationError, ConfigurationError, ModelTrainingError or ModelRefusedError; each is logged and
        reported with the stage it happened in.
        """
        from trainer.registry.tracking import log_cost

        client = self.mlflow.client()
        with Services(self.logger, self.alerts, self.run_config.name):
            with self.mlflow.run_context(self.run_config) as active:
                began = time.perf_counter()
                result = self._run_in(active.info.run_id, client)
                log_cost(client, result.run_id, time.perf_counter() - began)
            self._tell(result)
            return result

    def _run_in(self, run_id: str, client: Any) -> TrainingResult:
        from trainer.registry.lineage import log_dataset
        from trainer.registry.tracking import log_metrics, log_params

        with contextlib.ExitStack() as until_read:
            with _stage("reading"):
                named = filter(None, [*self.exclude, self.id])
                inputs, input_lineage = until_read.enter_context(local_copy(self.inputs, named))
                targets, target_lineage = self._targets()
                parts = self._parts(inputs, targets)
                table = TrainingTable(self._raw(inputs), targets, parts)
                log_dataset(target_lineage, "targets")
                log_dataset(input_lineage, "inputs", inputs)
            with _stage("training"):
                fixed = {"algorithm": self.model.KIND, "seed": self.seed, "device": self.model.device}
                log_params(client, run_id, {**fixed, **self.model.params})
                fitted = self._fit(table)
            with _stage("evaluation"):
                outputs, metrics = self._score(fitted, table)
                log_metrics(client, run_id, _flat(metrics))
            with _stage("saving"):
                info = self._save(fitted, table.rows("train"))
        with _stage("registration"):
            registered = self._register(info.model_uri, run_id, input_lineage.tags)
        return TrainingResult(
            run_id, info.model_id, info.model_uri, fitted.cut_off, metrics, outputs, fitted, registered
        )

    def _targets(self) -> tuple[pl.Series, Lineage]:
        with local_copy(self.targets, [self.target]) as (rows, lineage):
            known = rows.collect_schema().names()
            if self.target not in known:
                raise DataValidationError(f"targets: no column {self.target!r}; columns: {', '.join(known)}")
            targets = rows.select(self.target).collect().to_series()
        if missing := targets.null_count():
            raise DataValidationError(f"target {self.target!r} is missing in {missing} of {len(targets)} rows")
        return targets, lineage

    def _parts(self, inputs: pl.LazyFrame, targets: pl.Series) -> pl.Series:
        import polars as pl

        height = inputs.select(pl.len()).collect().item()
        if height != len(targets):
            raise DataValidationError(f"inputs have {height} rows and targets {len(targets)}; they must match")
        logger.info("inputs %s, targets %s", (height, len(inputs.collect_schema())), targets.shape)
        return parts_of(self.splitter, inputs, problem_of(self.problem).labels(targets), self.id)

    def _raw(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        """What the model takes: its inputs, and what its expressions read."""
        from trainer.inference.features import check_expressions, columns_used

        check_expressions(self.features, forbidden=Columns(target=self.target, id=self.id).never_used)
        used = columns_used(self.features)
        return inputs.select(n for n in inputs.collect_schema() if n in used or n not in self._not_inputs)

    @property
    def _not_inputs(self) -> set[str]:
        return {*self.exclude, *([self.id] if self.id else [])}

    def _fit(self, table: TrainingTable) -> FittedPipeline:
        from trainer.registry.tracking import log_training_metrics
        from trainer.training.fitting import fit_pipeline

        training, aside = (table.rows(part) for part in ("train", "validation"))
        logger.info("fitting %s on %d rows, on %s", self.model.KIND, training.height, self.model.device)
        return fit_pipeline(
            problem_of(self.problem),
            self.model,
            self.features,
            self.preprocess,
            self.positive,
            not_inputs=self._not_inputs,
            training=(training, table.targets_of("train")),
            validation=(aside, table.targets_of("validation")) if aside.height else None,
            cut_off=self.cut_off,
            seed=self.seed,
            threads=cores(),
            log_point=functools.partial(log_training_metrics, self.run_config.name),
        )

    def _score(self, fitted: FittedPipeline, table: TrainingTable) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
        import polars as pl

        problem = problem_of(self.problem)
        chosen = self.metrics or [Metric(name=name) for name in problem.figures]
        figures: dict[str, dict[str, float]] = {}
        outputs = []
        for part in self.score_parts:
            rows = table.rows(part)
            output = fitted.predict_in_batches(rows)
            predictions = problem.predictions(table.targets_of(part), output, self.positive)
            figures[part] = {metric.name: metric.score(problem, predictions) for metric in chosen}
            outputs.append(output.insert_column(0, rows.is_chosen.arg_true().alias("__row__")))
            logger.info("%s rows %s: %s", part, output.height, _readable(figures[part]))
        return pl.concat(outputs), figures

    def _save(self, fitted: FittedPipeline, training: ChosenRows) -> ModelInfo:
        import mlflow

        taken = list(fitted.preparation.inputs)
        example = next(training.batches()).head(EXAMPLE_ROWS).select(taken)
        signature = self.signer.sign(training.lazy().select(taken), fitted.predict(example))
        metadata = {"problem": self.problem, "algorithm": self.model.KIND, "cut_off": fitted.cut_off}
        info = self.saver.save(fitted, signature, example, {**metadata, "params": self.model.params})
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


def load_job(document: dict[str, Any], name: str) -> TrainingJob:
    """A job from its YAML document; raises ConfigurationError with one line per mistake."""
    from trainer.pipeline import validate

    if document.get("KIND", "training") != "training":
        raise ConfigurationError(f"{name}: KIND: only 'training' is a kind of job, not {document['KIND']!r}")
    return validate(TrainingJob, document, name)
