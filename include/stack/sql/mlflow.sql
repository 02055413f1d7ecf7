-- Views of MLflow's database: the training history; nothing of its secrets and webhooks. What was deleted is not in them.
GRANT SELECT ON
  experiments, runs, metrics, latest_metrics, tags, registered_models, registered_model_aliases, model_versions, model_version_tags
  TO reporting;
SET ROLE reporting;

-- One row per logged value. MLflow stores NaN as 0 and infinity as the largest double.
CREATE VIEW reporting.mlflow_metrics AS
SELECT
  experiments.name AS experiment_name,
  metrics.run_uuid AS run_id,
  metrics.key AS metric_name,
  CASE
    WHEN metrics.is_nan THEN 'NaN'::double precision
    WHEN metrics.value >= 1.7976931348623157e308 THEN 'Infinity'::double precision
    WHEN metrics.value <= -1.7976931348623157e308 THEN '-Infinity'::double precision
    ELSE metrics.value
  END AS metric_value,
  to_timestamp(metrics.timestamp / 1000.0) AS timestamp
FROM public.metrics
JOIN public.runs ON runs.run_uuid = metrics.run_uuid
JOIN public.experiments ON experiments.experiment_id = runs.experiment_id
WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active';

-- One row per run of a pipeline: its parent run in MLflow.
CREATE VIEW reporting.pipeline_runs AS
SELECT
  found.pipeline,
  runs.run_uuid AS run_id,
  experiments.name AS experiment_name,
  found.airflow_run_id,
  to_timestamp(runs.start_time / 1000.0) AS started,
  to_timestamp(runs.end_time / 1000.0) AS ended,
  runs.status,
  coalesce(found.outcome, CASE runs.status WHEN 'RUNNING' THEN 'running' ELSE 'unknown' END) AS outcome,
  found.reason,
  found.winner,
  found.git_commit,
  found.run_folder
FROM public.tags AS task
JOIN public.runs ON runs.run_uuid = task.run_uuid
JOIN public.experiments ON experiments.experiment_id = runs.experiment_id
CROSS JOIN LATERAL (
  SELECT
    max(value) FILTER (WHERE key = 'trainer.pipeline') AS pipeline,
    max(value) FILTER (WHERE key = 'trainer.airflow_run_id') AS airflow_run_id,
    max(value) FILTER (WHERE key = 'outcome') AS outcome,
    max(value) FILTER (WHERE key = 'reason') AS reason,
    max(value) FILTER (WHERE key = 'winner') AS winner,
    max(value) FILTER (WHERE key = 'trainer.git_commit') AS git_commit,
    max(value) FILTER (WHERE key = 'trainer.run_folder') AS run_folder
  FROM public.tags
  WHERE tags.run_uuid = runs.run_uuid
) AS found
WHERE task.key = 'trainer.task' AND task.value = 'parent'
  AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active';

-- One row per metric of a run on its test rows.
CREATE VIEW reporting.test_metrics AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  substr(newest.key, length('test_') + 1) AS metric,
  CASE WHEN NOT newest.is_nan THEN newest.value END AS value
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'test\_%';

-- One row per gate of a run. For `against_production` the value is the gain. A metric that is missing has no value.
CREATE VIEW reporting.gates AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  split_part(newest.key, '/', 2) AS gate,
  max(newest.value) FILTER (WHERE newest.key LIKE '%/value') AS value,
  max(newest.value) FILTER (WHERE newest.key LIKE '%/limit') AS "limit",
  max(newest.value) FILTER (WHERE newest.key LIKE '%/passed') = 1 AS passed
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'gate/%'
GROUP BY pipeline_runs.pipeline, pipeline_runs.run_id, pipeline_runs.started, gate;

-- One row per column that was compared. `ratio` is its largest statistic relative to that statistic's threshold, above 1
-- it has drifted; 100 stands for more than that.
CREATE VIEW reporting.drift AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  substr(newest.key, length('drift/') + 1) AS "column",
  least(newest.value, 100) AS ratio
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'drift/%';

-- One row per run whose cost was counted, in US dollars.
CREATE VIEW reporting.costs AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  max(newest.value) FILTER (WHERE newest.key = 'cost_cpu_usd') AS cpu_usd,
  max(newest.value) FILTER (WHERE newest.key = 'cost_gpu_usd') AS gpu_usd,
  max(newest.value) FILTER (WHERE newest.key = 'cost_total_usd') AS total_usd
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key IN ('cost_cpu_usd', 'cost_gpu_usd', 'cost_total_usd')
GROUP BY pipeline_runs.pipeline, pipeline_runs.run_id, pipeline_runs.started;

-- One row per alias of a model, such as `production`.
CREATE VIEW reporting.model_aliases AS
SELECT
  aliases.name AS model,
  aliases.alias,
  aliases.version,
  to_timestamp(versions.creation_time / 1000.0) AS registered,
  versions.run_id
FROM public.registered_model_aliases AS aliases
JOIN public.model_versions AS versions
  ON versions.workspace = aliases.workspace AND versions.name = aliases.name AND versions.version = aliases.version;

RESET ROLE;
