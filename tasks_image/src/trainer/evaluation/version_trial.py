"""A registered version put to the test, apart from the run that made it: acceptance, and thresholds given."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.evaluation.acceptance import Check, answers, as_in_training, checks_of_use
from trainer.pipeline import METRICS, did_you_mean
from trainer.run.flow import last_fit

if TYPE_CHECKING:
    import polars as pl
    from mlflow.entities.model_registry import ModelVersion

    from trainer.evaluation.version_rows import VersionRows
    from trainer.isolated.scoring import Tried
    from trainer.problems import Problem
    from trainer.run import RunFolder


@dataclass(frozen=True)
class Threshold:
    """A metric and the least, or the most, that it may be."""

    metric: str
    bound: Literal["min", "max"]
    value: float

    def check(self, figures: dict[str, float]) -> Check:
        """Whether the figure keeps to it."""
        found = figures[self.metric]
        passed = found >= self.value if self.bound == "min" else found <= self.value
        least = "at least" if self.bound == "min" else "at most"
        says = f"{self.metric} is {found:.4f}, {least} {self.value:g} is needed"
        return Check(self.metric, passed, says, found, self.value)


def check_thresholds(thresholds: list[Threshold], problem: Problem) -> None:
    """Raises ConfigurationError for a metric that does not fit the problem, or a bound on its wrong side."""
    for threshold in thresholds:
        metric = threshold.metric
        if metric not in problem.figures:
            raise ConfigurationError(
                f"{metric!r} is no metric of a {problem.name}{did_you_mean(metric, problem.figures)}"
            )
        if not math.isfinite(threshold.value):
            raise ConfigurationError(f"{metric}: the threshold has to be a finite number, not {threshold.value}")
        right = "min" if METRICS[metric].greater_is_better else "max"
        if threshold.bound != right:
            grows = "rises" if right == "min" else "falls"
            raise ConfigurationError(f"{metric} gets better as it {grows}: use --{right} {metric}={threshold.value:g}")


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    model: str
    version: str
    aliases: list[str]
    data: str
    rows: int
    rows_left_out: int
    """Rows of the file that the version was trained or tuned on."""
    metrics: dict[str, float]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def record(self) -> dict[str, Any]:
        """The trial as a JSON document."""
        return {**asdict(self), "passed": self.passed}


def try_version(version: ModelVersion, judged: VersionRows, thresholds: list[Threshold]) -> Trial:
    """Load the version in a process of its own and try it; a version that cannot be loaded is a failed check."""
    check_thresholds(thresholds, judged.problem)
    base = Trial(
        model=str(version.name),
        version=str(version.version),
        aliases=sorted(version.aliases),
        data=judged.source,
        rows=judged.rows.height,
        rows_left_out=judged.left_out,
        metrics={},
        checks=[],
    )
    try:
        tried = _tried(version, judged)
    except ModelRefusedError as error:
        return replace(base, checks=[Check("loads", passed=False, says=str(error))])
    figures, checks = _judge(version, judged, tried, thresholds)
    return replace(base, metrics=figures, checks=[_loads(tried), *checks])


def _tried(version: ModelVersion, judged: VersionRows) -> Tried:
    """The rows that training has answered first, then those to judge."""
    import polars as pl

    from trainer.isolated.scoring import try_in_isolation
    from trainer.registry.origin import MODEL_DIGEST_TAG

    before = judged.validation[0] if judged.validation else judged.rows.clear()
    uri, digest = f"models:/{version.name}/{version.version}", version.tags.get(MODEL_DIGEST_TAG, "")
    return try_in_isolation(uri, pl.concat([before, judged.rows]), None, judged.limits.batch_rows, digest=digest)


def _loads(tried: Tried) -> Check:
    says = f"loaded in a process of its own, it answers {tried.output.height} rows"
    return Check("loads", passed=True, says=says)


def _judge(
    version: ModelVersion, judged: VersionRows, tried: Tried, thresholds: list[Threshold]
) -> tuple[dict[str, float], list[Check]]:
    """Figures of the rows to judge, and all checks beyond loading."""
    answered, predictions = answers(
        judged.problem, judged.truth, tried.output.tail(judged.rows.height), judged.positive
    )
    checks = [answered, *checks_of_use(judged.limits, tried)]
    if predictions is None:
        return {}, checks
    figures = judged.problem.score(predictions)
    checks += [*_beside_training(version, judged, tried.output), *(one.check(figures) for one in thresholds)]
    return figures, checks


def _beside_training(version: ModelVersion, judged: VersionRows, output: pl.DataFrame) -> list[Check]:
    from trainer.tables.handover import largest_difference

    if judged.validation is None or judged.run is None:
        return []
    rows, keys = judged.validation
    fit = _folder_of_fit(version, judged.run)
    return [as_in_training(largest_difference(fit, keys, output.head(rows.height)))]


def _folder_of_fit(version: ModelVersion, run: RunFolder) -> RunFolder:
    """The folder with the predictions of the step that fitted a version; earlier releases set no such tag."""
    from trainer.registry.versions import ALGORITHM_TAG, REFIT_TAG

    refit = version.tags.get(REFIT_TAG)
    return run.at(last_fit(refit)) if refit else run.at("train", version.tags.get(ALGORITHM_TAG, ""))
