"""What a pipeline's YAML may say: light, so that a scheduler can read it."""

from trainer.pipeline.code import Code
from trainer.pipeline.data import (
    AnySource,
    AnySplit,
    Check,
    Columns,
    CsvSource,
    Drift,
    HashSplit,
    ParquetSource,
    RandomSplit,
    SampleSource,
    Source,
)
from trainer.pipeline.document import did_you_mean, parse_yaml, read_text, validate
from trainer.pipeline.judging import Acceptance, AgainstProduction, Behaviour, Gates, Limit, Registry, SliceGate
from trainer.pipeline.metrics import METRICS, MetricInfo, Problem, metrics_for
from trainer.pipeline.modeling import (
    AnyAlgorithm,
    Choice,
    EarlyStopping,
    Features,
    LightGBM,
    Preprocess,
    Range,
    Sklearn,
    Tuning,
    XGBoost,
)
from trainer.pipeline.parameters import PromoteTo, RunParameters
from trainer.pipeline.pipeline import Pipeline, load_pipeline, parse_pipeline, refuse_same_name
from trainer.pipeline.resources import Affinity, Memory, ResourceName, Resources, StepResources, Toleration, amount
from trainer.pipeline.spec import Spec

__all__ = [
    "METRICS",
    "Acceptance",
    "Affinity",
    "AgainstProduction",
    "AnyAlgorithm",
    "AnySource",
    "AnySplit",
    "Behaviour",
    "Check",
    "Choice",
    "Code",
    "Columns",
    "CsvSource",
    "Drift",
    "EarlyStopping",
    "Features",
    "Gates",
    "HashSplit",
    "LightGBM",
    "Limit",
    "Memory",
    "MetricInfo",
    "ParquetSource",
    "Pipeline",
    "Preprocess",
    "Problem",
    "PromoteTo",
    "RandomSplit",
    "Range",
    "Registry",
    "ResourceName",
    "Resources",
    "RunParameters",
    "SampleSource",
    "Sklearn",
    "SliceGate",
    "Source",
    "Spec",
    "StepResources",
    "Toleration",
    "Tuning",
    "XGBoost",
    "amount",
    "did_you_mean",
    "load_pipeline",
    "metrics_for",
    "parse_pipeline",
    "parse_yaml",
    "read_text",
    "refuse_same_name",
    "validate",
]
