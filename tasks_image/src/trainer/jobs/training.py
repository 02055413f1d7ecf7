"""TrainingJob: from rows to a saved, and where asked a registered, model; its parts are chosen by KIND."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from trainer.environment import cores
from trainer.errors import ConfigurationError, DataValidationError
from trainer.figures import number_text
from trainer.jobs.metrics import Metric
from trainer.jobs.models import LightGBMModel, SklearnModel, XGBoostModel
from trainer.jobs.parts import AnySplitter, parts_of
from trainer.jobs.readers import AnyReader
from trainer.jobs.registers import MlflowRegister, Registered
from trainer.jobs.savers import PyFuncSaver
from trainer.jobs.services import AlertsService, LoggerService, MlflowService, RunConfig, Services
from trainer.jobs.signers import SchemaSigner
from trainer.jobs.splitters import RandomSplitter
from trainer.pipeline import Features, Preprocess, Problem, Spec, metrics_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from mlflow.models.model import ModelInfo

    from trainer.jobs.reader import Lineage
    from trainer.models.fitted import FittedPipeline

logger = logging.getLogger(__name__)

Part = Literal["train", "validation", "test"]
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
    problem: Problem
    inputs: AnyReader
    """The raw inputs; declared `types` are the schema they must have."""
    targets: AnyReader
    """The same rows in the same order, with the target."""
    target: str
    positive: str | int | bool | None = None
    id: str | None = None
    exclude: list[str] = []
    """Columns of the inputs that the model must not see."""
    features: Features = Features()
    preprocess: Preprocess = Preprocess()
    model: AnyModel
    metrics: list[Metric] = []
    """By default all that fit the problem."""
    splitter: AnySplitter = RandomSplitter()
    score_parts: tuple[Part, ...] = ("train", "validation", "test")
    saver: PyFuncSaver = PyFuncSaver()
    signer: SchemaSigner = SchemaSigner()
    registry: MlflowRegister | None = None
    seed: int = 42
    logger: LoggerService = LoggerService()
    alerts: AlertsService = AlertsService()
    mlflow: MlflowService = MlflowService()

    def run(self) -> TrainingResult:
        """Do the whole job in one MLflow run.

        Raises DataValidationError, ConfigurationError, ModelTrainingError or ModelRefusedError; each is logged and
        reported with the stage it happened in.
        """
        from trainer.tracking import log_cost

        client = self.mlflow.client()
        with Services(self.logger, self.alerts, self.run_config.name):
            with self.mlflow.run_context(self.run_config) as active:
                began = time.perf_counter()
                result = self._run_in(active.info.run_id, client)
                log_cost(client, result.run_id, time.perf_counter() - began)
            self._tell(result)
            return result

    def _run_in(self, run_id: str, client: Any) -> TrainingResult:
        from trainer.models.lineage import log_dataset
        from trainer.tracking import log_metrics, log_params

        with _stage("reading"):
            (inputs, input_lineage), (targets, target_lineage) = self._read()
            parts = parts_of(self.splitter, inputs, None if self.problem == "regression" else targets, self.id)
            raw = inputs.drop([name for name in (*self.exclude, self.id) if name in inputs.columns])
            log_dataset(target_lineage, "targets")
            log_dataset(input_lineage, "inputs", inputs)
        with _stage("training"):
            fixed = {"algorithm": self.model.KIND, "seed": self.seed, "device": self.model.device}
            log_params(client, run_id, {**fixed, **self.model.params})
            fitted = self._fit(raw, targets, parts)
        with _stage("evaluation"):
            outputs, metrics = self._score(fitted, raw, targets, parts)
            log_metrics(client, run_id, _flat(metrics))
        with _stage("saving"):
            info = self._save(fitted, raw.filter(parts == "train"))
        with _stage("registration"):
            registered = self._register(info.model_uri, run_id, input_lineage.tags)
        return TrainingResult(
            run_id, info.model_id, info.model_uri, fitted.cut_off, metrics, outputs, fitted, registered
        )

    def _read(self) -> tuple[tuple[pl.DataFrame, Lineage], tuple[pl.Series, Lineage]]:
        """Inputs and targets, each with where they came from."""
        inputs, input_lineage = self.inputs.read_with_lineage()
        targets, target_lineage = self.targets.read_with_lineage()
        if self.target not in targets.columns:
            raise DataValidationError(f"targets: no column {self.target!r}; columns: {', '.join(targets.columns)}")
        if inputs.height != targets.height:
            raise DataValidationError(f"inputs have {inputs.height} rows and targets {targets.height}; they must match")
        missing = targets[self.target].null_count()
        if missing:
            raise DataValidationError(f"target {self.target!r} is missing in {missing} of {targets.height} rows")
        logger.info("inputs %s, targets %s", inputs.shape, targets.shape)
        return (inputs, input_lineage), (targets[self.target], target_lineage)

    def _fit(self, raw: pl.DataFrame, targets: pl.Series, parts: pl.Series) -> FittedPipeline:
        from trainer.models.fitting import fit_pipeline
        from trainer.tracking import log_training_metrics

        training = parts == "train"
        validation = parts == "validation"
        logger.info("fitting %s on %d rows, on %s", self.model.KIND, int(training.sum()), self.model.device)
        return fit_pipeline(
            self.problem,
            self.model,
            self.features,
            self.preprocess,
            self.positive,
            training=(raw.filter(training), targets.filter(training)),
            validation=(raw.filter(validation), targets.filter(validation)),
            seed=self.seed,
            threads=cores(),
            log_point=functools.partial(log_training_metrics, self.run_config.name),
        )

    def _score(
        self, fitted: FittedPipeline, raw: pl.DataFrame, targets: pl.Series, parts: pl.Series
    ) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
        import polars as pl

        from trainer.models.outputs import predictions_of

        chosen = self.metrics or [Metric(name=name) for name in metrics_for(self.problem)]
        figures: dict[str, dict[str, float]] = {}
        outputs = []
        for part in self.score_parts:
            rows = parts == part
            output = fitted.predict(raw.filter(rows))
            predictions = predictions_of(self.problem, targets.filter(rows), output, self.positive)
            figures[part] = {metric.name: metric.score(self.problem, predictions) for metric in chosen}
            outputs.append(output.insert_column(0, rows.arg_true().alias("__row__")))
            logger.info("%s rows %s: %s", part, output.height, _readable(figures[part]))
        return pl.concat(outputs), figures

    def _save(self, fitted: FittedPipeline, training: pl.DataFrame) -> ModelInfo:
        import mlflow

        signature = self.signer.sign(training, fitted.predict(training))
        metadata = {"problem": self.problem, "algorithm": self.model.KIND, "cut_off": fitted.cut_off}
        info = self.saver.save(fitted, signature, training, {**metadata, "params": self.model.params})
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
