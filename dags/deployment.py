"""Airflow DAGs: one per pipeline with a section `deployment`, named `<pipeline>_deployment`."""

from include.flows.deployment import deployment_dags

for dag in deployment_dags():
    globals()[dag.dag_id] = dag
