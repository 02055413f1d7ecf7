"""A look in MLflow: one run in the pipeline's experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import MonitorResult, VersionLook

TASK = "monitoring"


def log_look(pipeline: Pipeline, run: RunFolder, result: MonitorResult) -> str:
    """Log a look's metrics, tags and page, in place of those of an earlier try; returns the id of the MLflow run."""
    from trainer.registry.tracking import (
        PIPELINE_TAG,
        RUN_KEY_TAG,
        TASK_TAG,
        connect,
        ensure_experiment,
        find_run,
        log_metrics,
    )
    from trainer.reports.monitoring_report import PAGE

    client = connect()
    experiment = ensure_experiment(client, pipeline.registry.experiment)
    tags = {
        PIPELINE_TAG: pipeline.name,
        RUN_KEY_TAG: run.key,
        TASK_TAG: TASK,
        "trainer.run_folder": run.at("").uri_of(),
    }
    found = find_run(client, experiment, pipeline.name, run.key, TASK)
    active = found or client.create_run(experiment, run_name=f"{pipeline.name} {TASK}", tags=tags)
    run_id = str(active.info.run_id)
    newest = result.newest
    for name, value in {"monitored_model": newest.model, "monitored_version": newest.version}.items():
        client.set_tag(run_id, name, value)
    if result.retraining is not None:
        client.set_tag(run_id, "retraining", result.retraining.reason)
    log_metrics(client, run_id, metrics_of(result))
    with run.at("").local(PAGE) as file:
        client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, "FINISHED")
    return run_id


def metrics_of(result: MonitorResult) -> dict[str, float]:
    """Return the metrics of a look: those of the version that scored last, then of others as `version_N/METRIC`.

    `rows`, `learned_from`, `waiting`, `labelled`; `drift_share`, `drift/COLUMN`, `drift_answers` (above 1: drifted);
    `missing/COLUMN` and `unseen/COLUMN`; `labelled_METRIC`, `promoted_METRIC` and `drop` with `_lower` and `_upper`;
    `estimated_auc_roc`; `retrain`, 1 if the looks ask for a training run.
    """
    found = _of_version(result.newest)
    for look in result.looks[:-1]:
        found |= {f"version_{look.version}/{name}": value for name, value in _of_version(look).items()}
    if result.retraining is not None:
        found["retrain"] = float(result.retraining.retrain)
    return found


def _of_version(look: VersionLook) -> dict[str, float]:
    from trainer.registry.run_metrics import drift_metrics
    from trainer.registry.tracking import metric_names
    from trainer.run.records import DriftResult

    found = {"rows": float(look.rows), "learned_from": float(look.learned_from), "waiting": float(look.waiting)}
    found["labelled"] = float(look.labelled)
    if look.drift_share is not None and look.drift_status != "no_rows":
        found |= drift_metrics(DriftResult(status=look.drift_status, share=look.drift_share, columns=look.columns))
    if look.answers is not None:
        own = drift_metrics(DriftResult(status="stable", columns=[look.answers]))
        found["drift_answers"] = max(value for name, value in own.items() if name != "drift_share")
    for name, one in zip(metric_names(one.column for one in look.watch), look.watch, strict=True):
        found |= {f"missing/{name}": one.missing, f"unseen/{name}": float(one.unseen)}
    return found | dict(_performances(look))


def _performances(look: VersionLook) -> list[tuple[str, float]]:
    named = {}
    if look.estimate is not None:
        named["estimated_auc_roc"] = look.estimate.auc_roc
    if look.performance is not None:
        named |= {f"labelled_{name}": one for name, one in look.performance.metrics.items()}
        named |= {f"promoted_{name}": one for name, one in look.performance.reference.items()}
        named["drop"] = look.performance.drop
    return [
        entry
        for name, one in named.items()
        for entry in ((name, one.value), (f"{name}_lower", one.lower), (f"{name}_upper", one.upper))
    ]
