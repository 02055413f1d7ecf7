"""Which model goes on answering when a run fails, as far as its run folder knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.run.records import DriftResult, EvaluateResult, PromoteResult

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder
    from trainer.run.records import Failure

PUBLISHES = "publish_features"
PUBLISH_AGAIN = f"Mend what the reason names, then clear the task `{PUBLISHES}`: a new run publishes if it promotes."
"""What to do where the feature store is away or refuses."""
FALLS_BACK = ("tune", "train", "refit", "refit_everything", "register", "accept", "promote", PUBLISHES)
"""Steps whose failure leaves people asking which model is served."""


def needs_store(failure: Failure) -> bool:
    """Whether what failed needs nothing but a feature store that takes the features."""
    return failure.step == PUBLISHES and failure.exit_code != DataValidationError.exit_code


def fall_back(run: RunFolder) -> str:
    """What the run made production, else what it found there: it stays, unless `promote` has begun to move it."""
    promoted = run.at("promote").result_or_none(PromoteResult)
    if promoted is not None and promoted.aliases.get("production") == promoted.version:
        return f"the promotion stands: production is version {promoted.version}{_features(run)}"
    found = _version(run)
    if run.at("promote").failure() is not None or run.step == "promote":
        return (
            f"the move to production did not end; before it production was {f'version {found}' if found else 'none'}. "
            "Clear the task `promote`: it ends a move that was begun, and refuses if somebody else has moved the alias"
        )
    if found is None:
        return "production stays what it was: the run did not get as far as asking for its version"
    return (
        f"production stays version {found}" if found else "there is no production version to fall back to; none moves"
    )


def _features(run: RunFolder) -> str:
    if run.step != PUBLISHES and run.at(PUBLISHES).failure() is None:
        return ""
    return f". Services read what features were there before; clear the task `{PUBLISHES}`"


def _version(run: RunFolder) -> str | None:
    """Production's version, an empty text where there is none, None where the run has not asked."""
    if (evaluation := run.at("evaluate").result_or_none(EvaluateResult)) is not None:
        return evaluation.production_version
    drift = run.at("detect_drift").result_or_none(DriftResult)
    return None if drift is None else drift.reference_version
