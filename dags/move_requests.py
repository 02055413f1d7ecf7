"""Airflow DAGs: one per pipeline, named `<pipeline>_requests`, which asks a person to move production."""

from include.flows.move_requests import request_dags

for dag in request_dags():
    globals()[dag.dag_id] = dag
