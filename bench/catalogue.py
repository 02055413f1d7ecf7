"""Which figures there are, and what measures them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.drift import drift_statistics
from bench.feature_store import feature_store
from bench.housing import housing_error
from bench.ingestion import csv_snapshot
from bench.language import language_tokens
from bench.networks import image_answers, image_checkpoint, image_epoch
from bench.parsing import parse_per_pipeline
from bench.pods import pod_step_overhead
from bench.prediction import prediction
from bench.resampling import bootstrap
from bench.runs import default_run, run_beside_one_process, step_start
from bench.scale import ten_million_rows_training, ten_times_the_rows
from bench.scoring import scoring
from bench.serving import router_overhead
from bench.validation import validation
from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.figure import Figure


@dataclass(frozen=True)
class Bench:
    """One measurement and the figures it gives."""

    names: tuple[str, ...]
    measure: Callable[[], list[Figure]]


CATALOGUE = [
    Bench(("parse_per_pipeline",), parse_per_pipeline),
    Bench(("bootstrap",), bootstrap),
    Bench(("drift_statistics",), drift_statistics),
    Bench(("validation",), validation),
    Bench(("csv_snapshot",), csv_snapshot),
    Bench(("predict_one_row", "predict_ten_thousand_rows"), prediction),
    Bench(("feature_store_writes", "feature_store_reads"), feature_store),
    Bench(("pod_step_overhead",), pod_step_overhead),
    Bench(("ten_times_the_rows", "ten_million_rows_memory"), ten_times_the_rows),
    Bench(("ten_million_rows_training",), ten_million_rows_training),
    Bench(("scoring_throughput", "scoring_memory"), scoring),
    Bench(("router_overhead",), router_overhead),
    Bench(("image_epoch",), image_epoch),
    Bench(("image_checkpoint",), image_checkpoint),
    Bench(("image_answer", "image_throughput"), image_answers),
    Bench(("language_tokens",), language_tokens),
    Bench(("housing_error",), housing_error),
    Bench(("step_start",), step_start),
    Bench(("run_beside_one_process",), run_beside_one_process),
    Bench(("run_seconds", "overhead_share"), default_run),
]
"""The quick ones first."""


def known_names() -> list[str]:
    """The names of all figures."""
    return [name for bench in CATALOGUE for name in bench.names]


def choose(names: list[str]) -> list[Bench]:
    """What measures the figures named, each once; all without a name. Raises ConfigurationError for an unknown one."""
    for name in names:
        if name not in known_names():
            raise ConfigurationError(f"no figure {name!r}{did_you_mean(name, known_names())}")
    return [bench for bench in CATALOGUE if not names or {*names} & {*bench.names}]
