"""The mail about a scoring run, a monitoring run, or a request to move production that failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from include.mail.content import Mail
from trainer.run.flow import APPROVE_REQUEST, DEPLOYMENT, MONITORING, REQUESTS, SCORING, Step
from trainer.run.records import Result, StartDeploymentResult, StartMonitoringResult, StartScoringResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trainer.run import RunFolder
    from trainer.run.records import Failure

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)

NEXT = {
    2: "Correct what the reason names. If that is in the pipeline's YAML, start a new run: a run keeps its pipeline "
    "and the version that it began with; else clear the task.",
    3: "Look at the data where the reason points; once it is fixed, clear the task `read_rows` or start a new run.",
    4: "See why the model is refused; production may have to be rolled back (`trainer rollback`).",
}
NEXT_OF_MONITORING = {
    2: "Correct what the reason names. If that is in the pipeline's YAML, start a new run: a run keeps its pipeline; "
    "else clear the task.",
    3: "Look at the scored rows or the labels where the reason points; once that is fixed, start a new run. No look "
    "has taken these rows yet.",
    4: "See why the answers are refused; production may have to be rolled back (`trainer rollback`).",
}
NEXT_OF_DEPLOYMENT = {
    2: "Correct what the reason names, and start a new run.",
    3: "Bring back what the reason names, and start a new run.",
    4: "The version before answers all requests. The alias `production` still names the new version, and batch scoring "
    "uses it. If it should not, roll it back as the reason says; then look at the records of `watch` or `stage` in the "
    "run folder.",
}
AGAIN = "See the log of the task; clear it to try again from there: what was done before it is kept."


def scoring_mail(pipeline: str, run: RunFolder, reason: str) -> Mail:
    """Return the mail; a store that is away must not keep it back."""
    failures, facts = list(_failures(run, SCORING)), list(_facts(run))
    steps = " and ".join(failure.step for failure in failures)
    headline = f"Scoring failed in {steps}: the output is as it was before" if steps else "Scoring failed"
    return _mail(headline, failures, NEXT, pipeline=pipeline, run=run, reason=reason, facts=facts)


def monitoring_mail(pipeline: str, run: RunFolder, reason: str) -> Mail:
    """Return the mail; a store that is away must not keep it back."""
    failures, facts = list(_failures(run, MONITORING)), list(_facts_of_look(run))
    steps = " and ".join(failure.step for failure in failures)
    headline = f"Monitoring failed in {steps}: scored rows are not watched" if steps else "Monitoring failed"
    return _mail(headline, failures, NEXT_OF_MONITORING, pipeline=pipeline, run=run, reason=reason, facts=facts)


def deployment_mail(pipeline: str, run: RunFolder, reason: str) -> Mail:
    """Return the mail; a store that is away must not keep it back."""
    failures, facts = list(_failures(run, DEPLOYMENT)), list(_facts_of_deployment(run))
    failed = next((failure.step for failure in failures), "")
    headline = f"Deployment failed in {failed}" if failed not in ("", "release") else "Deployment failed"
    if failed == "release":
        headline = "Deployment: the new version was taken back"
    return _mail(headline, failures, NEXT_OF_DEPLOYMENT, pipeline=pipeline, run=run, reason=reason, facts=facts)


def request_mail(pipeline: str, run: RunFolder, reason: str) -> Mail:
    """Return the mail about a request to move production; a store that is away must not keep it back."""
    asked = Step(APPROVE_REQUEST)
    failures = list(_failures(run, (asked, *REQUESTS)))
    return _mail(
        "A request to move production was not carried out", failures, {}, pipeline=pipeline, run=run, reason=reason,
        facts=[],
    )  # fmt: skip


def _mail(  # noqa: PLR0913
    headline: str,
    failures: list[Failure],
    advice: dict[int, str],
    *,
    pipeline: str,
    run: RunFolder,
    reason: str,
    facts: list[tuple[str, str]],
) -> Mail:
    code = next((failure.exit_code for failure in failures if failure.exit_code in advice), 1)
    return Mail(
        tone="bad",
        pipeline=pipeline,
        headline=headline,
        reasons=[f"{failure.step}: {failure.error}: {failure.message}" for failure in failures] or [reason],
        next_step=advice.get(code, AGAIN),
        facts=facts,
        gates=[],
        candidates=[],
        links=[("Run folder", run.at("").uri_of())],
    )


def _failures(run: RunFolder, steps: Iterable[Step]) -> Iterator[Failure]:
    try:
        yield from (found for step in steps if (found := run.at(step.name).failure()) is not None)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)


def _facts(run: RunFolder) -> Iterator[tuple[str, str]]:
    if (start := _started(run, "start_scoring", StartScoringResult)) is not None:
        yield "Model", f"{start.model} version {start.version}"
        yield "Rows", start.source
        yield "Output", start.output


def _facts_of_look(run: RunFolder) -> Iterator[tuple[str, str]]:
    if (start := _started(run, "start_monitoring", StartMonitoringResult)) is not None:
        yield "Scored rows", start.output
        yield "Labels", start.labels or "none"


def _facts_of_deployment(run: RunFolder) -> Iterator[tuple[str, str]]:
    if (start := _started(run, "start_deployment", StartDeploymentResult)) is not None:
        yield "Model", f"{start.model} version {start.version}"
        yield "In service before", f"version {start.before}" if start.before else "no version"
        yield "Target", start.target


def _started(run: RunFolder, step: str, kind: type[R]) -> R | None:
    """Return the record of a flow's first step; None if there is none, or the store is away."""
    try:
        return run.at(step).result_or_none(kind)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)
        return None
