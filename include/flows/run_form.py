"""The form that a person fills in to start a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.pipeline import Pipeline

MOST_GPUS = 64
LONGEST_TRIGGER = 1000
TRAINING = "What is trained"
LIMITS = "Less data, less memory"
AFTERWARDS = "What happens to the model"


def run_form(pipeline: Pipeline, most_gpus: int = MOST_GPUS) -> dict[str, Param]:
    """One typed field per run parameter, filled in with the pipeline's own values.

    `most_gpus` is 0 in an environment whose cluster has none.
    """
    names = list(pipeline.algorithms)
    run = pipeline.run
    batch = (
        "Images that the network learns at once. Empty: as the pipeline says."
        if pipeline.trains_in_epochs
        else "Rows per batch when models are scored. Empty: all at once."
    )
    return {
        "algorithms": Param(
            run.algorithms or names,
            type="array",
            items={"type": "string", "enum": names},
            examples=names,
            minItems=1,
            uniqueItems=True,
            title="Algorithms",
            description_md="The others are skipped.",
            section=TRAINING,
        ),
        "tuning": Param(
            pipeline.tuning.enabled if run.tuning is None else run.tuning,
            type="boolean",
            title="Tune hyperparameters",
            description_md="Off: train with the pipeline's `params` as they stand.",
            section=TRAINING,
        ),
        "trials": Param(
            run.trials or pipeline.tuning.trials,
            type="integer",
            minimum=1,
            maximum=10_000,
            title="Trials per algorithm",
            description_md="Fewer are quicker and may miss the best. A killed run resumes where it was.",
            section=TRAINING,
        ),
        **(_of_networks(pipeline, most_gpus) if pipeline.trains_in_epochs else {}),
        "sample_ratio": Param(
            run.sample_ratio,
            type="number",
            exclusiveMinimum=0,
            maximum=1,
            title="Share of the rows",
            description_md="For a quick look, or when memory is short; class proportions are kept.",
            section=LIMITS,
        ),
        "batch_size": Param(
            run.batch_size,
            type=["null", "integer"],
            minimum=1,
            title="Batch size",
            description_md=batch,
            section=LIMITS,
        ),
        "promote_to": Param(
            run.promote_to,
            type="string",
            enum=["production", "staging", "none"],
            values_display={
                "production": "Promote to production",
                "staging": "Promote to staging only",
                "none": "Register only",
            },
            title="How far a passing model goes",
            description_md="A model that is not better than production goes nowhere, whatever is chosen here.",
            section=AFTERWARDS,
        ),
        **(_of_approval(pipeline) if pipeline.approval.when != "never" else {}),
        "note": Param(
            run.note,
            type=["null", "string"],
            maxLength=1000,
            title="Note",
            description_md="Why this run was started; kept with the run in MLflow.",
            section=AFTERWARDS,
        ),
    }


def _of_approval(pipeline: Pipeline) -> dict[str, Param]:
    """Return the field of pipelines whose promotions a person has to approve."""
    return {
        "answer": Param(
            pipeline.run.answer,
            type=["null", "string"],
            enum=["promote", "keep", None],
            title="Answer to a promotion",
            description_md="Only for runs without a scheduler (`make run`, `airflow dags test`), where nobody can be "
            "asked. Empty: production stays. Under a scheduler a person is asked, whatever is chosen here.",
            section=AFTERWARDS,
        )
    }


def _of_networks(pipeline: Pipeline, most_gpus: int) -> dict[str, Param]:
    """Fields of pipelines that train networks."""
    return {
        "epochs": Param(
            pipeline.run.epochs,
            type=["null", "integer"],
            minimum=1,
            maximum=1000,
            title="Epochs",
            description_md="How often the network sees all training rows. Empty: as the pipeline says.",
            section=TRAINING,
        ),
        "lr": Param(
            pipeline.run.lr,
            type=["null", "number"],
            exclusiveMinimum=0,
            maximum=1,
            title="Learning rate",
            description_md="The highest one; it rises to it and falls again. Empty: as the pipeline says.",
            section=TRAINING,
        ),
        "gpu": Param(
            pipeline.run.gpu,
            type=["null", "integer"],
            minimum=0,
            maximum=most_gpus,
            title="GPUs",
            description_md="For training and refitting, one process for each. 0: on processors. Empty: as the pipeline "
            f"says.{'' if most_gpus else ' This environment has none.'}",
            section=TRAINING,
        ),
    }


PARAMETERS = "{{ params | tojson }}"
"""The filled-in form, as the step `start` takes it."""
PARAMETERS_AND_TRIGGER = "{{ params | with_trigger(triggering_asset_events) | tojson }}"
"""The form, and what has started the run, in pipelines that monitoring may start."""


def with_trigger(params: Mapping[str, Any], events: Mapping[Any, Sequence[Any]]) -> dict[str, Any]:
    """Return run parameters, with what has started the run if that was an event of the asset; a template's filter."""
    found = [event for some in events.values() for event in some]
    if not found:
        return dict(params)
    extra = max(found, key=lambda event: event.timestamp).extra or {}
    reason = str(extra.get("reason") or "an event of the asset that somebody has created by hand")
    source = "monitoring" if extra.get("look") else "an asset"
    return {**params, "triggered_by": f"triggered by {source}: {reason}"[:LONGEST_TRIGGER]}


def gpus_or(default: int) -> str:
    """Return a template that renders to the GPUs that the form asks for, or to the pipeline's own."""
    return f"{{{{ params.gpu if params.gpu is not none else {default} }}}}"


def chooses(algorithm: str) -> str:
    """A template that renders to `True` where the form's algorithms include this one."""
    return "{{ " + json.dumps(algorithm) + " in params.algorithms }}"
