#!/bin/sh
# Lets the role `dashboards` read the tables that the SQL files beside this one name, once they have been migrated.
set -eu
here=$(dirname "$0")
PGPASSWORD=$AIRFLOW_DB_PASSWORD psql --no-psqlrc --username airflow --dbname airflow --file "$here/dashboards-airflow.sql"
PGPASSWORD=$MLFLOW_DB_PASSWORD psql --no-psqlrc --username mlflow --dbname mlflow --file "$here/dashboards-mlflow.sql"
