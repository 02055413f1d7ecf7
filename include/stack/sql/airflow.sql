-- Views of Airflow's database: runs, tasks and the schedule of the pipelines' DAGs; nothing of connections or users.
GRANT SELECT ON dag, dag_run, task_instance, task_instance_history TO reporting;
SET ROLE reporting;

-- One row per DAG run. `seconds` is null until it has ended.
CREATE VIEW reporting.dag_runs AS
SELECT
  dag_id,
  regexp_replace(dag_id, '_training$', '') AS pipeline,
  run_id,
  run_type,
  state,
  run_after,
  queued_at,
  start_date AS started,
  end_date AS ended,
  extract(epoch FROM end_date - start_date) AS seconds
FROM public.dag_run;

-- One row per try of a task, those that were retried included.
CREATE VIEW reporting.task_tries AS
SELECT
  tries.dag_id,
  regexp_replace(tries.dag_id, '_training$', '') AS pipeline,
  tries.run_id,
  tries.task_id,
  tries.try_number,
  tries.state,
  tries.start_date AS started,
  tries.end_date AS ended,
  tries.duration AS seconds
FROM (
  SELECT dag_id, run_id, task_id, try_number, state, start_date, end_date, duration FROM public.task_instance
  UNION
  SELECT dag_id, run_id, task_id, try_number, state, start_date, end_date, duration FROM public.task_instance_history
) AS tries
WHERE tries.start_date IS NOT NULL;

-- One row per DAG: what it waits for, and how its newest run ended. `next_run` is null if it is paused, has no schedule,
-- or waits for the end of a run.
CREATE VIEW reporting.schedules AS
SELECT
  dag.dag_id,
  regexp_replace(dag.dag_id, '_training$', '') AS pipeline,
  dag.timetable_summary AS schedule,
  dag.is_paused,
  dag.has_import_errors,
  CASE WHEN NOT dag.is_paused THEN dag.next_dagrun_create_after END AS next_run,
  newest.run_after AS last_run,
  newest.state AS last_state,
  newest.end_date AS last_ended,
  CASE
    WHEN dag.is_paused THEN 'paused'
    WHEN dag.has_import_errors THEN 'import error'
    WHEN newest.state IN ('running', 'queued') THEN newest.state
    WHEN dag.next_dagrun_create_after < now() - interval '15 minutes' THEN 'late'
    ELSE 'waiting'
  END AS status
FROM public.dag
LEFT JOIN LATERAL (
  SELECT dag_run.run_after, dag_run.state, dag_run.end_date
  FROM public.dag_run
  WHERE dag_run.dag_id = dag.dag_id
  ORDER BY coalesce(dag_run.start_date, dag_run.queued_at) DESC, dag_run.id DESC
  LIMIT 1
) AS newest ON true
WHERE NOT dag.is_stale;

RESET ROLE;
