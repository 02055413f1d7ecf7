-- What dashboards read of Airflow's database; not connections, variables, users or sessions. Run by the owner, airflow.
\set ON_ERROR_STOP on
GRANT SELECT ON dag, dag_run, task_instance, task_instance_history, deadline TO dashboards;
