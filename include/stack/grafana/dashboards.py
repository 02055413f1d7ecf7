"""Grafana's dashboards as code; `make dashboards` writes them to dashboards/*.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from include.stack.grafana.panels import bars, counts, limit_at, lines, rows, variable

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "dashboards"
WIDE, HALF, LOW, HIGH = 24, 12, 5, 9
"""Widths of panels, of 24 columns, and their heights."""


def pipelines() -> Dashboard:
    """Return the dashboard of all pipelines: outcomes, schedule, production models, costs, tuning, failures."""
    return (
        _dashboard("pipelines", "Pipelines", "All pipelines: how runs ended, what runs next, what it costs.")
        .with_panel(
            counts("Runs by outcome", "Runs that began in the time range.", "mlflow", """
SELECT
  count(*) FILTER (WHERE outcome IN ('promoted', 'registered')) AS promoted,
  count(*) FILTER (WHERE outcome = 'kept') AS kept,
  count(*) FILTER (WHERE outcome = 'refused') AS refused,
  count(*) FILTER (WHERE outcome = 'failed') AS failed,
  count(*) FILTER (WHERE outcome = 'running') AS running
FROM pipeline_runs
WHERE $__timeFilter(started)
""").span(WIDE).height(LOW)
        )
        .with_panel(
            rows("Schedule", "`late`: the next run should have begun 15 minutes ago.", "airflow", """
SELECT
  pipeline, status, schedule, next_run AS "next run", last_run AS "last run", last_state AS "last state",
  last_ended AS "last ended"
FROM schedules
ORDER BY status = 'late' DESC, next_run NULLS LAST, pipeline
""").span(WIDE).height(HIGH)
        )
        .with_panel(
            rows("Runs", "The newest runs, with the reason of each decision.", "mlflow", """
SELECT
  started, pipeline, outcome, winner, reason, extract(epoch FROM ended - started) AS duration, total_usd AS cost
FROM pipeline_runs
LEFT JOIN costs USING (run_id, pipeline, started)
WHERE $__timeFilter(started)
ORDER BY started DESC
LIMIT 100
""", duration="s", cost="currencyUSD").span(WIDE).height(HIGH)
        )
        .with_panel(
            bars("Cost per pipeline", "US dollars a day, by the rates of the environment.", "mlflow", """
SELECT date_trunc('day', started) AS time, pipeline AS metric, sum(total_usd::numeric) AS value
FROM costs
WHERE $__timeFilter(started)
GROUP BY date_trunc('day', started), pipeline
ORDER BY time
""", "currencyUSD").span(HALF).height(HIGH)
        )
        .with_panel(
            rows("Models in use", "The version behind each alias.", "mlflow", """
SELECT model, alias, version, registered
FROM model_aliases
ORDER BY model, alias
""").span(HALF).height(HIGH)
        )
        .with_panel(
            rows("Tuning", "Studies with trials in the time range, named after run and algorithm.", "studies", """
SELECT
  study,
  count(*) FILTER (WHERE state = 'complete') AS complete,
  count(*) FILTER (WHERE state = 'running') AS running,
  count(*) FILTER (WHERE state = 'pruned') AS pruned,
  count(*) FILTER (WHERE state = 'fail') AS failed,
  CASE WHEN bool_and(direction = 'minimize') THEN min(value) ELSE max(value) END AS best,
  max(coalesce(ended, started)) AS "last trial"
FROM trials
WHERE $__timeFilter(started)
GROUP BY study
ORDER BY "last trial" DESC
LIMIT 100
""").span(HALF).height(HIGH)
        )
        .with_panel(
            rows("Failed tries", "Tasks that failed, those that were retried included.", "airflow", """
SELECT started, pipeline, task_id AS task, try_number AS try, state, seconds, run_id AS run
FROM task_tries
WHERE state IN ('failed', 'up_for_retry') AND $__timeFilter(started)
ORDER BY started DESC
LIMIT 100
""", seconds="s").span(HALF).height(HIGH)
        )
    )  # fmt: skip


def pipeline() -> Dashboard:
    """Return the dashboard of one pipeline: gates, drift, seconds per step, cost, training history."""
    return (
        _dashboard("pipeline", "Pipeline", "One pipeline over time: metrics beside limits, data, steps, cost.")
        .with_variable(variable("pipeline", "Pipeline", "mlflow", "SELECT DISTINCT pipeline FROM pipeline_runs"))
        .with_variable(
            variable("gate", "Gate", "mlflow", "SELECT DISTINCT gate FROM gates WHERE pipeline = ${pipeline:sqlstring}")
        )
        .with_panel(
            rows("Runs", "How each run ended, and why.", "mlflow", """
SELECT started, outcome, winner, reason, extract(epoch FROM ended - started) AS duration, total_usd AS cost, run_folder
FROM pipeline_runs
LEFT JOIN costs USING (run_id, pipeline, started)
WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
ORDER BY started DESC
LIMIT 100
""", duration="s", cost="currencyUSD").span(WIDE).height(HIGH)
        )
        .with_panel(
            lines("$gate", "The challenger's metric of each run, and the limit that it was judged by.", "mlflow", """
SELECT started AS time, value, "limit"
FROM gates
WHERE pipeline = ${pipeline:sqlstring} AND gate = ${gate:sqlstring} AND $__timeFilter(started)
ORDER BY started
""").span(HALF).height(HIGH)
        )
        .with_panel(
            rows("Gates of the newest run", "Every gate of the run that was judged last.", "mlflow", """
SELECT
  gate,
  CASE WHEN passed THEN 'passed' WHEN outcome = 'refused' THEN 'failed' ELSE 'no gain' END AS state,
  value,
  "limit"
FROM gates
JOIN pipeline_runs USING (run_id)
WHERE run_id = (
  SELECT run_id FROM gates
  WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
  ORDER BY started DESC
  LIMIT 1
)
ORDER BY passed, gate
""").span(HALF).height(HIGH)
        )
        .with_panel(
            limit_at(lines("Drift per column", "Relative to its limit: above 1 a column has drifted.", "mlflow", """
SELECT started AS time, "column" AS metric, ratio AS value
FROM drift
WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
ORDER BY started
"""), 1).span(HALF).height(HIGH)
        )
        .with_panel(
            bars("Seconds per step", "All tries of each task of a run, without the time between tries.", "airflow", """
SELECT min(started) OVER (PARTITION BY run_id) AS time, task_id AS metric, seconds AS value
FROM (
  SELECT run_id, task_id, min(started) AS started, sum(seconds) AS seconds
  FROM task_tries
  WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started) AND seconds IS NOT NULL
  GROUP BY run_id, task_id
) AS steps
ORDER BY time
""", "s").span(HALF).height(HIGH)
        )
        .with_panel(
            bars("Cost per run", "US dollars, by the rates of the environment.", "mlflow", """
SELECT started AS time, part.name AS metric, part.usd AS value
FROM costs, LATERAL (VALUES ('CPU', cpu_usd), ('GPU', gpu_usd)) AS part (name, usd)
WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
ORDER BY started
""", "currencyUSD").span(HALF).height(HIGH)
        )
        .with_panel(
            lines("Performance of scored rows", "On labelled rows, at the promotion, and estimated before labels come. "
                  "The estimate is blind to concept drift.", "mlflow", """
SELECT started AS time, metric, value
FROM looks
WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
  AND metric ~ '^(labelled|promoted|estimated)_' AND right(metric, 6) NOT IN ('_lower', '_upper')
ORDER BY started
""").span(HALF).height(HIGH)
        )
        .with_panel(
            limit_at(lines("Drift of scored rows", "Relative to its limit: above 1 it has drifted.", "mlflow", """
SELECT started AS time, substr(metric, length('drift_') + 1) AS metric, value
FROM looks
WHERE pipeline = ${pipeline:sqlstring} AND $__timeFilter(started)
  AND (metric LIKE 'drift/%' OR metric = 'drift_answers')
ORDER BY started
"""), 1).span(HALF).height(HIGH)
        )
        .with_panel(
            rows("Training history", "Every metric of the pipeline's experiment, newest first.", "mlflow", """
SELECT timestamp, metric_name AS metric, metric_value AS value, run_id AS run
FROM mlflow_metrics
WHERE experiment_name = (
  SELECT experiment_name FROM pipeline_runs WHERE pipeline = ${pipeline:sqlstring} ORDER BY started DESC LIMIT 1
)
  AND $__timeFilter(timestamp)
ORDER BY timestamp DESC, metric_name
LIMIT 500
""").span(HALF).height(HIGH)
        )
    )  # fmt: skip


def _dashboard(uid: str, title: str, description: str) -> Dashboard:
    link = DashboardLink("Pipelines").type(DashboardLinkType.DASHBOARDS).tags(["training"]).keep_time(True)  # noqa: FBT003  (the SDK's)
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["training"])
        .time("now-90d", "now")
        .refresh("1m")
        .timezone("browser")
        .readonly()
        .link(link)
    )


DASHBOARDS: dict[str, Callable[[], Dashboard]] = {"pipelines": pipelines, "pipeline": pipeline}


def text_of(name: str) -> str:
    """Return a dashboard's JSON as its file holds it."""
    return json.dumps(DASHBOARDS[name]().build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main() -> int:
    """Write the files, which Grafana reads; returns 0."""
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
