"""Register the challenger as a version; moves no alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision import require_promotion
from trainer.run.flow import APPROVE, last_fit
from trainer.run.records import ApprovalResult, EvaluateResult, IngestResult, RefitResult, RegisterResult, StartResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder


LONGEST_TAG = 5000
"""Characters; MLflow takes 5,000 for a tag of a version."""


def run(pipeline: Pipeline, run: RunFolder) -> RegisterResult:
    """The version for this run's challenger; asked again, for the same run and model, it is the same version."""
    from trainer.registry.registers import MlflowRegister

    if pipeline.approval.when != "never":
        require_promotion(pipeline, run)
    evaluation = run.at("evaluate").result(EvaluateResult)
    fitted = run.at(last_fit(pipeline.refit)).result(RefitResult)
    description = _description(pipeline, run, evaluation, fitted)
    register = MlflowRegister(model=pipeline.registry.model, description=description)
    key = f"{run.key}/{fitted.model_id}"
    registered = register.register(fitted.model_uri, fitted.run_id, key, _tags(pipeline, run, fitted))
    return RegisterResult(model=registered.model, version=registered.version, created=registered.created)


def _description(pipeline: Pipeline, run: RunFolder, evaluation: EvaluateResult, fitted: RefitResult) -> str:
    ingest = run.at("ingest").result(IngestResult)
    metric = pipeline.gates.against_production.metric
    return (
        f"{pipeline.registry.description or pipeline.description}: {fitted.what}, "
        f"of {ingest.rows:,} in {ingest.source}; test {metric} {evaluation.metrics[metric]:.4f}"
    )


def approval_tags(run: RunFolder) -> dict[str, str]:
    """Return who approved the run's promotion, when and in which words; empty if nobody was asked."""
    answer = run.at(APPROVE).result_or_none(ApprovalResult)
    if answer is None or answer.source == "not_asked":
        return {}
    found = {
        "approval": answer.reason,
        "approval.by": answer.by,
        "approval.at": answer.answered_at,
        "approval.asked_because": "; ".join(answer.asked_because),
    }
    return {f"trainer.{name}": text[:LONGEST_TAG] for name, text in found.items() if text}


def _tags(pipeline: Pipeline, run: RunFolder, fitted: RefitResult) -> dict[str, str]:
    """What a later run has to know of this version: the snapshot is its drift reference, the keys what it has seen."""
    from trainer.registry.origin import MODEL_DIGEST_TAG
    from trainer.registry.versions import (
        ALGORITHM_TAG,
        DIGEST_TAG,
        KEYS_DIGEST_TAG,
        KEYS_TAG,
        REFIT_TAG,
        RUN_FOLDER_TAG,
        SNAPSHOT_TAG,
    )

    start = run.at("start").result(StartResult)
    ingest = run.at("ingest").result(IngestResult)
    code = {"code.repository": pipeline.code.repository, "code.ref": pipeline.code.ref} if pipeline.code else {}
    return {
        **ingest.tags,
        **code,
        SNAPSHOT_TAG: ingest.snapshot,
        DIGEST_TAG: ingest.digest,
        KEYS_TAG: fitted.keys,
        KEYS_DIGEST_TAG: fitted.keys_digest,
        "data.source": ingest.source,
        RUN_FOLDER_TAG: run.at("").uri_of(),
        "trainer.pipeline": pipeline.name,
        ALGORITHM_TAG: fitted.winner,
        REFIT_TAG: pipeline.refit,
        MODEL_DIGEST_TAG: fitted.model_digest,
        "code.git_commit": start.git_commit or "unknown",
        **approval_tags(run),
    }
