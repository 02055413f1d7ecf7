#!/bin/sh
# Creates the views that dashboards read, once Airflow, MLflow and Optuna have created their tables; each time anew.
set -eu
here=$(dirname "$0")
sh "$here/drop-views.sh"
create() {
  PGPASSWORD=$2 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --username "$1" --dbname "$1" \
    --file "$here/schema.sql" --file "$here/$1.sql" --file "$here/grants.sql"
}
create airflow "$AIRFLOW_DB_PASSWORD"
create mlflow "$MLFLOW_DB_PASSWORD"
create studies "$STUDIES_DB_PASSWORD"
echo "the views of the schema reporting are there"
