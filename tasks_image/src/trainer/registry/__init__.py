"""MLflow: tracking, model versions and aliases, and where each of them came from."""
