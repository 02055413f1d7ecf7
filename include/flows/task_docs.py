"""What Airflow's UI tells about a DAG and its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.pipeline import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Pipeline

TASK_DOCS = {
    "approve_start": "Asks a person on the page *Required Actions* whether the run may begin. It has cost nothing yet.",
    "approve_request": "Asks a person on the page *Required Actions* whether production moves; nothing moves before.",
    "start": "Freezes the pipeline as this run uses it (`pipeline.yaml`) and opens the parent run in MLflow.",
    "ingest": "Reads the source once and keeps what was read as the run's snapshot, with digest and schema.",
    "validate": "Runs the pipeline's Great Expectations checks. A failed **critical** check stops the run; a "
    "**warning** is reported. See `validation.html` in the run folder.",
    "detect_drift": "Compares the snapshot with the one that production's model was trained on. See `drift.html`.",
    "engineer_features": "Splits the rows, fits feature constants on the training rows, computes the features. Slices "
    "and expectations that could not be judged later end the run here.",
    "tune_worker": "One of several workers that share the trials of a search; what one leaves undone, `tune` does.",
    "tune": "Searches hyperparameters with Optuna by cross-validation on the training rows. Killed, it resumes.",
    "train": "Trains one candidate with the parameters found and logs it to MLflow with code and signature.",
    "refit": "Chooses the winner on validation rows, and fits it once more on training and validation rows, with its "
    "parameters and its cut-off kept (unless `refit: none`). From here on it is the challenger.",
    "evaluate": "Scores the challenger and production, each in a process of its own, on "
    "the same test rows, whole and by segment; sees on changed validation rows whether it behaves as expected. "
    "See `predictions.parquet`.",
    "explain": "Ranks what the challenger's answers rest on (SHAP for trees), and draws how good they are. See "
    "`explain/` in the run folder, and `plots/` in MLflow.",
    "decide": "Holds the figures against the gates, those of segments and of behaviour too. **Promote**: all pass and "
    "the challenger is better than production beyond noise. **Keep**: it passes and is not shown to be better. "
    "**Refuse**: the run fails, nothing moves.",
    "approve": "Asks a person on the page *Required Actions* whether the challenger becomes production, if the "
    "pipeline says so. No answer in time: as `approval.on_timeout` says. Without a scheduler the run parameter "
    "`answer` counts.",
    "refit_everything": "Fits the challenger once more, on all rows, after the decision to promote it: what is "
    "registered has seen the newest rows, and was itself not judged on unseen ones. Only with `refit: everything`.",
    "register": "Registers the challenger as a version; skipped unless it is to be promoted. Moves no alias.",
    "accept": "Loads the registered version in a process of its own and tries it, before anything moves.",
    "promote": "Moves the aliases, if production is still what the decision compared with.",
    "publish_features": "Gives the features to the environment's Redis, by id, for services; skipped where there is "
    "none.",
    "report": "Writes the summary and `report.html`, and closes the run's record in MLflow, after a failure as well.",
    "start_scoring": "Freezes the pipeline as this run uses it, and looks up the version once: an alias that moves "
    "later changes nothing for this run.",
    "read_rows": "Reads the rows to score once. Columns that the version was not trained with are ignored; a missing "
    "input ends the run.",
    "check_rows": "Checks ids and inputs, by the checks of the version's own pipeline, and compares the rows with the "
    "snapshot that the version was trained on. See `validation.json` and `drift.json` in the run folder.",
    "score": "Scores the rows with the version, batch by batch, in a process of its own without login or network.",
    "publish_scores": "Publishes the scored rows all at once, in place of those of an earlier try of this run.",
    "start_monitoring": "Freezes the pipeline as this look uses it, and notes the looks before it.",
    "read_scores": "Reads the scored rows of the last `monitoring.days` days. New ones are those of scoring runs "
    "that no earlier look has taken.",
    "read_labels": "Reads the labels: identical ones of an id count once, contradicting ones are set aside, and labels "
    "of ids that were never scored are counted. Fails if none belongs to a scored row.",
    "monitor": "Compares new rows and answers with the version's training rows, estimates its performance, and judges "
    "it by the labels that have arrived, beside its figures at the promotion. See `monitoring.html` in the run folder.",
    "retrain": "Starts a training run if enough of the last looks ask for one (`retrain`), by an event of the asset "
    "that the training DAG is scheduled on. Skipped if none is needed, or while a run is active or waits for approval.",
    "start_deployment": "Freezes the pipeline as this deployment uses it, looks up the version once, and asks the "
    "target what it serves.",
    "stage": "Lets the version run without traffic, and compares its answers to real rows with those of the registered "
    "model. A difference, or an answer that takes too long, ends the deployment.",
    "canary": "Gives the version `deployment.canary_percent` of the traffic; all, where no version is in service.",
    "watch": "Looks every few seconds at failed requests, times and answers, beside those of the version in service. A "
    "limit that is passed beyond doubt ends it at once; else it lasts `deployment.canary_minutes`.",
    "release": "Gives the version all traffic, or takes it back: after a watch that found something, and after a step "
    "that failed. Then the run fails, and the mail says why.",
    "move_production": "Moves the aliases as the approved request says, with the locks and history of all moves.",
    "notify": "Sends the mail. A dead mail server does not fail the run.",
}


def dag_docs(pipeline: Pipeline) -> str:
    """A pipeline's page: what it predicts, from what, and what a model has to reach."""
    rule = pipeline.gates.against_production
    if rule.margin is None:
        needed = f"gain in {rule.metric} over production | > {rule.min_gain:g}, {rule.confidence:.0%} confidence"
    else:
        needed = f"loss in {rule.metric} to production, and to the anchor | shown to be < {rule.margin:g}"
    gates = "\n".join(f"| {name} | {limit} |" for name, limit in _gates(pipeline))
    return f"""\
### {pipeline.description}

Predicts `{pipeline.columns.target}` ({pipeline.problem.replace("_", " ")}) with {", ".join(pipeline.algorithms)}, and
registers the best as `{pipeline.registry.model}` in the MLflow experiment `{pipeline.registry.experiment}`.

A run ends **promoted**, **kept** (production stays: the new model is not shown to be better) or **refused** (failed).

| gate on test rows | limit |
|---|---|
{gates}
| {needed} |
{_behaviour(pipeline)}
Only the tasks up to `decide` look at figures; only `promote` moves an alias. Every file of a run is in its run folder.
"""


def scoring_docs(pipeline: Pipeline) -> str:
    """Return the page of a pipeline's scoring: the version, the rows, and where the answers go."""
    scoring = pipeline.scoring
    if scoring is None:
        return ""
    named = (
        "the version under the alias `production`" if scoring.version == "production" else f"version {scoring.version}"
    )
    output = f"`{scoring.output.uri}`" if scoring.output.KIND == "parquet" else f"the table `{scoring.output.table}`"
    stops = "fail the run" if scoring.when_drifted == "fail" else "are a warning"
    return f"""\
### {pipeline.description}: batch scoring

Scores rows with {named} of `{pipeline.registry.model}`, and publishes the answers to {output}. The version is looked up
once, at the start of a run. Rows that have drifted from those that it was trained on {stops}.

Each scored row has `id`, `prediction`, `probability` columns of classifiers, `model_version`, `run` and `scored_at`.
Nothing half-written is ever visible, and a run that is repeated replaces only its own rows.
"""


def monitoring_docs(pipeline: Pipeline) -> str:
    """Return the page of a pipeline's monitoring: the rows that it looks at, and the labels."""
    monitoring = pipeline.monitoring
    if monitoring is None:
        return ""
    judged = (
        "judges versions by the labels that have arrived since the look before, beside their figures at the promotion"
        if monitoring.labels is not None
        else "judges nothing by labels, because the pipeline names none"
    )
    return f"""\
### {pipeline.description}: monitoring

Looks at the rows that `{pipeline.registry.model}` has scored in the last {monitoring.days} days: no two looks have the
same rows. Compares new rows with the rows that the version was trained on, and {judged}.
An estimate of ROC-AUC before labels arrive is blind to concept drift, and never decides anything.
{_retraining(pipeline)}
The page is `monitoring.html` in the run folder, and an artifact of the look's run in the MLflow experiment
`{pipeline.registry.experiment}`.
"""


def deployment_docs(pipeline: Pipeline) -> str:
    """Return the page of a pipeline's deployment: the part of the traffic, how long, and the limits."""
    rules = pipeline.deployment
    if rules is None:
        return ""
    limits = rules.limits
    return f"""\
### {pipeline.description}: deployment

Lets a promoted version of `{pipeline.registry.model}` answer requests: after each promotion to production, and by hand.
It is tried with {rules.smoke_rows} real rows, gets {rules.canary_percent:g} % of the traffic for
{rules.canary_minutes:g} minutes, and then all of it, if it keeps to these limits; else it is taken back.

| beside the version in service | limit |
|---|---|
| requests that it fails to answer | ≤ {limits.error_rate:.2%} |
| 95th percentile of the time to answer | ≤ {limits.latency_ratio:g} times, or {limits.latency_slack_ms:g} ms more |
| distance of its answers | ≤ {limits.answers:g} |
| requests in that time | ≥ {rules.min_requests} |

A request that it fails to answer is answered by the version in service.
"""


def request_docs(pipeline: Pipeline) -> str:
    """Return the page of the DAG that asks a person to move production."""
    return f"""\
### {pipeline.description}: requests to move production

A run asks a person on the page *Required Actions* whether a version of `{pipeline.registry.model}` becomes
production, or whether production returns to the version before. Nothing moves before the answer. Only a version that
its run decided to promote, and that was compared with today's production, becomes production.
"""


def _retraining(pipeline: Pipeline) -> str:
    rule = pipeline.retrain
    if rule is None:
        return "It starts no training run.\n"
    limits = " or ".join(f"`{name}` ≥ {limit:g}" for name, limit in rule.when.limits.items())
    return (
        f"It starts a training run when {rule.at_least} of the last {rule.looks} looks have {limits}, but not within "
        f"{rule.cooldown_days:g} days of the one before or of a promotion.\n"
    )


def _gates(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Every limit and what it asks for: those of all test rows, then those of segments."""
    yield from ((limit.metric, _limit(limit)) for limit in pipeline.gates.limits())
    for gate in pipeline.gates.slices:
        where = f"each `{gate.column}`" + (f" ({', '.join(gate.labels)})" if gate.segments else "")
        yield f"{where}: rows", f"≥ {gate.min_rows}"
        for metric, value in gate.limits.items():
            yield f"{where}: {metric}", _limit(Limit(metric=metric, limit=value))
        if gate.max_loss is not None:
            metric = pipeline.gates.against_production.metric
            yield f"{where}: {metric} loss to production", f"not shown to be > {gate.max_loss:g}"


def _limit(limit: Limit) -> str:
    return f"{'≥' if limit.better == 'higher' else '≤'} {limit.limit:g}"


def _behaviour(pipeline: Pipeline) -> str:
    if not pipeline.behaviour:
        return ""
    lines = "\n".join(
        f"| {expected.name} | {expected.expect.replace('_', ' ')}, tolerance {expected.tolerance:g} |"
        for expected in pipeline.behaviour
    )
    return f"\n| expected on changed validation rows | change of the answer |\n|---|---|\n{lines}\n"
