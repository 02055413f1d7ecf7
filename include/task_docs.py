"""What Airflow's UI tells about a DAG and its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

TASK_DOCS = {
    "start": "Freezes the pipeline as this run uses it (`pipeline.yaml`) and opens the parent run in MLflow.",
    "ingest": "Reads the source once and keeps what was read as the run's snapshot, with digest and schema.",
    "validate": "Runs the pipeline's Great Expectations checks. A failed **critical** check stops the run; a "
    "**warning** is reported. See `validation.html` in the run folder.",
    "detect_drift": "Compares the snapshot with the one that production's model was trained on. See `drift.html`.",
    "engineer_features": "Splits the rows, fits feature constants on the training rows, computes the features.",
    "tune": "Searches hyperparameters with Optuna by cross-validation on the training rows. Killed, it resumes.",
    "train": "Trains one candidate with the parameters found and logs it to MLflow with code and signature.",
    "evaluate": "Chooses the challenger on validation rows; scores it and production, each in a process of its own, on "
    "the same test rows.",
    "explain": "Ranks what the challenger's answers rest on (SHAP for trees), and draws how good they are. See "
    "`explain/` in the run folder, and `plots/` in MLflow.",
    "decide": "Holds the figures against the gates. **Promote**: all pass and the challenger is better than production "
    "beyond noise. **Keep**: it passes and is not shown to be better. **Refuse**: the run fails, nothing moves.",
    "register": "Registers the challenger as a version; skipped unless it is to be promoted. Moves no alias.",
    "accept": "Loads the registered version in a process of its own and tries it, before anything moves.",
    "promote": "Moves the aliases, if production is still what the decision compared with.",
    "report": "Writes the summary and `report.html`, and closes the run's record in MLflow, after a failure as well.",
    "notify": "Sends the mail. A dead mail server does not fail the run.",
}


def dag_docs(pipeline: Pipeline) -> str:
    """A pipeline's page: what it predicts, from what, and what a model has to reach."""
    limits = "\n".join(
        f"| {limit.metric} | {'≥' if limit.better == 'higher' else '≤'} {limit.limit:g} |"
        for limit in pipeline.gates.limits()
    )
    rule = pipeline.gates.against_production
    return f"""\
### {pipeline.description}

Predicts `{pipeline.columns.target}` ({pipeline.problem.replace("_", " ")}) with {", ".join(pipeline.algorithms)}, and
registers the best as `{pipeline.registry.model}` in the MLflow experiment `{pipeline.registry.experiment}`.

A run ends **promoted**, **kept** (production stays: the new model is not shown to be better) or **refused** (failed).

| gate on test rows | limit |
|---|---|
{limits}
| gain in {rule.metric} over production | > {rule.min_gain:g}, {rule.confidence:.0%} confidence |

Only the tasks up to `decide` look at figures; only `promote` moves an alias. Every file of a run is in its run folder.
"""
