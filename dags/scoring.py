"""Airflow DAGs: one per pipeline with a section `scoring`, named `<pipeline>_scoring`."""

from include.flows.scoring import scoring_dags

for dag in scoring_dags():
    globals()[dag.dag_id] = dag
