"""Airflow DAGs: one per pipeline with a section `monitoring`, named `<pipeline>_monitoring`."""

from include.flows.monitoring import monitoring_dags

for dag in monitoring_dags():
    globals()[dag.dag_id] = dag
