-- The databases of the stack, each owned by a role of its own; PostgreSQL's image runs this when its volume is empty.
-- Nobody but its owner connects to a database. `dashboards` may connect to those of Airflow, MLflow and the studies, and
-- reads the views there in the schema `reporting`; they belong to the role `reporting`, as which nobody logs in.
\set ON_ERROR_STOP on
\getenv airflow AIRFLOW_DB_PASSWORD
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv studies STUDIES_DB_PASSWORD
\getenv churn CHURN_DB_PASSWORD
\getenv dashboards DASHBOARDS_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE studies LOGIN PASSWORD :'studies';
CREATE ROLE churn LOGIN PASSWORD :'churn';
CREATE ROLE dashboards LOGIN PASSWORD :'dashboards';
ALTER ROLE dashboards SET default_transaction_read_only = on;
ALTER ROLE dashboards SET statement_timeout = '30s';
ALTER ROLE dashboards SET search_path = reporting;
CREATE ROLE reporting NOLOGIN;
GRANT reporting TO airflow, mlflow, studies;

CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE studies OWNER studies;
CREATE DATABASE churn OWNER churn;

REVOKE ALL ON DATABASE postgres, airflow, mlflow, studies, churn FROM PUBLIC;
GRANT CONNECT ON DATABASE airflow, mlflow, studies TO dashboards;
