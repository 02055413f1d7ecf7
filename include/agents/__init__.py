"""Tools for agents: experiments, trainings, costs and requests over the REST APIs of Airflow and MLflow."""
