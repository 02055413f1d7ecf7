"""The DAGs, and what a person sees of them in Airflow: the form of a run and the documentation of its tasks."""
