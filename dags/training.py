"""Airflow DAGs: one per pipeline file in include/pipelines, named `<pipeline>_training`."""

from include.flows.training import training_dags

for dag in training_dags():
    globals()[dag.dag_id] = dag
