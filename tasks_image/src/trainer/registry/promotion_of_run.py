"""The promotion of a version by the run that has judged it: within that run, or later when a person has approved it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision import DecisionResult, final_outcome
from trainer.errors import ConfigurationError, ModelRefusedError, StepNotDoneError
from trainer.registry.history import Move
from trainer.registry.promotion import named, promotion_lock, to_production
from trainer.registry.versions import PRODUCTION, RUN_FOLDER_TAG, aliases_of, find_version, version_of
from trainer.run.flow import APPROVE
from trainer.run.folder import RunFolder
from trainer.run.records import AcceptResult, ApprovalResult, PromoteResult

if TYPE_CHECKING:
    from mlflow import MlflowClient


def promotion_of(run: RunFolder, version: str) -> Move:
    """Return the promotion of a version, with the reasons of the decision and of whoever approved it."""
    decision, answer = run.at("decide").result(DecisionResult), run.at(APPROVE).result_or_none(ApprovalResult)
    approved = answer.reason if answer and answer.source != "not_asked" else ""
    return Move(
        kind="promotion",
        before=decision.compared_with,
        version=version,
        by=run.at("").uri_of(),
        why="; ".join(filter(None, (decision.reason, approved))),
        promoted_as=(ground := decision.promoted_as or ("better" if decision.compared_with else "first")),
        anchor=decision.anchor if ground == "not_worse" else version,
    )


def promote_approved(client: MlflowClient, model: str, version: str, by: str, why: str) -> str:
    """Promote a version that its run decided to promote and accepted; returns the move as a sentence.

    Done again, nothing changes. `by` and `why` are those of the request, for the history.

    Raises ConfigurationError if no run has registered the version, ModelRefusedError if its run did not decide to
    promote it or has not accepted it, and PromotionConflictError if production is not the version that the decision
    compared with, or if a rollback holds.
    """
    run = _run_of(client, model, version)
    found = promotion_of(run, version)
    move = found.model_copy(update={"by": by, "why": f"{why}; {found.why}"})
    current = version_of(client, model, PRODUCTION)
    if current is not None and str(current.version) == version:
        return f"{model}: production is version {version} already; nothing moved"
    with promotion_lock(run, run.pipeline().name, model, by) as lock:
        to_production(client, model, move, lock)
        promoted = PromoteResult(model=model, version=version, aliases=aliases_of(client, model))
    run.at("promote").finish(promoted)  # so that no step of the run replaces the rows that the version is known by
    return f"{model}: production {named(move.before)} → version {version}"


def _run_of(client: MlflowClient, model: str, version: str) -> RunFolder:
    """Return the folder of the run that has judged a version. Raises an error if it was not for promotion."""
    recorded = find_version(client, model, version=version).tags.get(RUN_FOLDER_TAG)
    if not recorded:
        raise ConfigurationError(f"{model} version {version}: no run has registered it, so nothing has judged it")
    run = RunFolder.open(recorded)
    try:
        outcome, accepted = final_outcome(run.pipeline(), run), run.at("accept").result(AcceptResult)
    except StepNotDoneError as error:
        raise ModelRefusedError(f"{model} version {version}: its run has not come to its end: {error}") from error
    if outcome != "promote":
        raise ModelRefusedError(
            f"{model} version {version}: its run decided to {outcome}, not to promote; start a new run"
        )
    if (accepted.model, accepted.version) != (model, version):
        raise ModelRefusedError(f"{model} version {version}: its run has accepted version {accepted.version} instead")
    return run
