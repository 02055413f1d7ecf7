#!/bin/sh
# Removes the views that dashboards read: PostgreSQL refuses to change a column that a view shows, so that Airflow and
# MLflow could not migrate their tables.
set -eu
here=$(dirname "$0")
drop() {
  PGPASSWORD=$2 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$1" --dbname "$1" --file "$here/drop-views.sql"
}
drop airflow "$AIRFLOW_DB_PASSWORD"
drop mlflow "$MLFLOW_DB_PASSWORD"
drop studies "$STUDIES_DB_PASSWORD"
