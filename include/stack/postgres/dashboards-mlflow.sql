-- What dashboards read of MLflow's database; not its secrets and webhooks. Run by the owner, mlflow.
\set ON_ERROR_STOP on
GRANT SELECT ON
  experiments, experiment_tags, runs, params, metrics, latest_metrics, tags,
  logged_models, logged_model_params, logged_model_metrics, logged_model_tags,
  registered_models, registered_model_aliases, registered_model_tags, model_versions, model_version_tags
  TO dashboards;
