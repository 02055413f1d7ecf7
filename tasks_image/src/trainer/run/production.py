"""Which model goes on answering when a run fails, as far as its run folder knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.results import DriftResult, EvaluateResult, PromoteResult

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder

FALLS_BACK = ("tune", "train", "register", "accept", "promote", "publish_features")
"""Steps whose failure leaves people asking which model is served."""


def fall_back(run: RunFolder) -> str:
    """What the run found under the alias `production`; it stays, unless `promote` has begun to move it."""
    promoted = run.at("promote").result_or_none(PromoteResult)
    if run.step == "publish_features" and promoted is not None:
        return (
            f"the promotion stands: production is version {promoted.version}. Services read what features were there "
            "before; clear the task `publish_features`"
        )
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


def _version(run: RunFolder) -> str | None:
    """Production's version, an empty text where there is none, None where the run has not asked."""
    if (evaluation := run.at("evaluate").result_or_none(EvaluateResult)) is not None:
        return evaluation.production_version
    drift = run.at("detect_drift").result_or_none(DriftResult)
    return None if drift is None else drift.reference_version
