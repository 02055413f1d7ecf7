-- Views of MLflow's database: the training history; nothing of its secrets and webhooks. What was deleted is not in them.
GRANT SELECT ON
  experiments, runs, metrics, latest_metrics, tags, registered_models, registered_model_aliases, model_versions, model_version_tags
  TO reporting;
SET ROLE reporting;

-- Null outside the years 1970 to 9999: MLflow takes every number, and one client that logs nanoseconds must not make the
-- views unreadable for all.
CREATE FUNCTION reporting.instant(milliseconds bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN milliseconds BETWEEN 0 AND 253402300799999 THEN to_timestamp(milliseconds::double precision / 1000) END;

-- MLflow stores NaN as 0, and infinity as the largest double.
CREATE FUNCTION reporting.logged(value double precision, is_nan boolean) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN is_nan THEN 'NaN'::double precision
  WHEN value >= 1.7976931348623157e308 THEN 'Infinity'::double precision
  WHEN value <= -1.7976931348623157e308 THEN '-Infinity'::double precision
  ELSE value
END;

-- Null for NaN and infinity.
CREATE FUNCTION reporting.finite(value double precision, is_nan boolean) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT is_nan AND abs(value) < 1.7976931348623157e308 THEN value END;

-- One row per logged value, NaN and infinity as such.
CREATE VIEW reporting.mlflow_metrics AS
SELECT
  experiments.name AS experiment_name,
  metrics.run_uuid AS run_id,
  metrics.key AS metric_name,
  reporting.logged(metrics.value, metrics.is_nan) AS metric_value,
  reporting.instant(metrics.timestamp) AS timestamp
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
  reporting.instant(runs.start_time) AS started,
  reporting.instant(runs.end_time) AS ended,
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
  reporting.finite(newest.value, newest.is_nan) AS value
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'test\_%';

-- One row per gate of a run. For `against_production` the value is the gain. A metric that is missing has no value.
CREATE VIEW reporting.gates AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  substring(newest.key FROM '^gate/(.+)/[a-z]+$') AS gate,
  max(reporting.finite(newest.value, newest.is_nan)) FILTER (WHERE newest.key LIKE '%/value') AS value,
  max(reporting.finite(newest.value, newest.is_nan)) FILTER (WHERE newest.key LIKE '%/limit') AS "limit",
  max(newest.value) FILTER (WHERE newest.key LIKE '%/passed') = 1 AS passed
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'gate/%' AND newest.key ~ '^gate/.+/(value|limit|passed)$'
GROUP BY pipeline_runs.pipeline, pipeline_runs.run_id, pipeline_runs.started, gate;

-- One row per column that was compared. `ratio` is its largest statistic relative to that statistic's threshold, above 1
-- it has drifted; 100 stands for more than that.
CREATE VIEW reporting.drift AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  substr(newest.key, length('drift/') + 1) AS "column",
  CASE WHEN NOT newest.is_nan THEN least(newest.value, 100) END AS ratio
FROM reporting.pipeline_runs
JOIN public.latest_metrics AS newest ON newest.run_uuid = pipeline_runs.run_id
WHERE newest.key LIKE 'drift/%';

-- One row per metric of a look at scored rows, of the version that scored last. Drift is as in the view `drift`.
CREATE VIEW reporting.looks AS
SELECT
  found.pipeline,
  runs.run_uuid AS run_id,
  reporting.instant(runs.start_time) AS started,
  found.version,
  newest.key AS metric,
  CASE
    WHEN newest.key LIKE 'drift/%' AND NOT newest.is_nan THEN least(newest.value, 100)
    ELSE reporting.finite(newest.value, newest.is_nan)
  END AS value
FROM public.tags AS task
JOIN public.runs ON runs.run_uuid = task.run_uuid
JOIN public.experiments ON experiments.experiment_id = runs.experiment_id
CROSS JOIN LATERAL (
  SELECT
    max(value) FILTER (WHERE key = 'trainer.pipeline') AS pipeline,
    max(value) FILTER (WHERE key = 'monitored_version') AS version
  FROM public.tags
  WHERE tags.run_uuid = runs.run_uuid
) AS found
JOIN public.latest_metrics AS newest ON newest.run_uuid = runs.run_uuid
WHERE task.key = 'trainer.task' AND task.value = 'monitoring' AND newest.key NOT LIKE 'version\_%/%'
  AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active';

-- One row per run whose cost was counted, in US dollars.
CREATE VIEW reporting.costs AS
SELECT
  pipeline_runs.pipeline,
  pipeline_runs.run_id,
  pipeline_runs.started,
  max(reporting.finite(newest.value, newest.is_nan)) FILTER (WHERE newest.key = 'cost_cpu_usd') AS cpu_usd,
  max(reporting.finite(newest.value, newest.is_nan)) FILTER (WHERE newest.key = 'cost_gpu_usd') AS gpu_usd,
  max(reporting.finite(newest.value, newest.is_nan)) FILTER (WHERE newest.key = 'cost_total_usd') AS total_usd
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
  reporting.instant(versions.creation_time) AS registered,
  versions.run_id
FROM public.registered_model_aliases AS aliases
JOIN public.model_versions AS versions
  ON versions.workspace = aliases.workspace AND versions.name = aliases.name AND versions.version = aliases.version;

RESET ROLE;
