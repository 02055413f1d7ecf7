"""The mail about a scoring run that failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.mail.content import Mail
from trainer.run.flow import SCORING
from trainer.run.records import StartScoringResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder
    from trainer.run.records import Failure

logger = logging.getLogger(__name__)

NEXT = {
    2: "Correct what the reason names. If that is in the pipeline's YAML, start a new run: a run keeps its pipeline "
    "and the version that it began with; else clear the task.",
    3: "Look at the data where the reason points; once it is fixed, clear the task `read_rows` or start a new run.",
    4: "See why the model is refused; production may have to be rolled back (`trainer rollback`).",
}
AGAIN = "See the log of the task; clear it to try again from there: what was done before it is kept."


def scoring_mail(pipeline: str, run: RunFolder, reason: str) -> Mail:
    """Return the mail; a store that is away must not keep it back."""
    failures, facts = list(_failures(run)), list(_facts(run))
    code = next((failure.exit_code for failure in failures if failure.exit_code in NEXT), 1)
    steps = " and ".join(failure.step for failure in failures)
    return Mail(
        tone="bad",
        pipeline=pipeline,
        headline=f"Scoring failed in {steps}: the output is as it was before" if steps else "Scoring failed",
        reasons=[f"{failure.step}: {failure.error}: {failure.message}" for failure in failures] or [reason],
        next_step=NEXT.get(code, AGAIN),
        facts=facts,
        gates=[],
        candidates=[],
        links=[("Run folder", run.at("").uri_of())],
    )


def _failures(run: RunFolder) -> Iterator[Failure]:
    try:
        yield from (found for step in SCORING if (found := run.at(step.name).failure()) is not None)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)


def _facts(run: RunFolder) -> Iterator[tuple[str, str]]:
    try:
        start = run.at("start_scoring").result_or_none(StartScoringResult)
    except Exception:
        logger.exception("the run folder %s cannot be read", run.uri)
        return
    if start is not None:
        yield "Model", f"{start.model} version {start.version}"
        yield "Rows", start.source
        yield "Output", start.output
