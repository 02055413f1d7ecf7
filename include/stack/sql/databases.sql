-- The databases of the stack, each owned by a role of its own; PostgreSQL's image runs this when its volume is empty.
-- Nobody but its owner connects to a database. `dashboards` may connect to those of Airflow, MLflow and the studies, and
-- reads the views there in the schema `reporting`; they belong to the role `reporting`, as which nobody logs in.
-- Run again, it adds what a volume lacks, and sets the passwords of the environment.
\set ON_ERROR_STOP on
\getenv airflow AIRFLOW_DB_PASSWORD
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv studies STUDIES_DB_PASSWORD
\getenv churn CHURN_DB_PASSWORD
\getenv dashboards DASHBOARDS_DB_PASSWORD

-- Else the server's log would hold the password of a statement that fails.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;

BEGIN;  -- without a password nothing is created
SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['airflow', 'mlflow', 'studies', 'churn', 'dashboards', 'reporting']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE airflow LOGIN PASSWORD :'airflow';
ALTER ROLE mlflow LOGIN PASSWORD :'mlflow';
ALTER ROLE studies LOGIN PASSWORD :'studies';
ALTER ROLE churn LOGIN PASSWORD :'churn';
ALTER ROLE dashboards LOGIN PASSWORD :'dashboards';
ALTER ROLE dashboards SET default_transaction_read_only = on;
ALTER ROLE dashboards SET statement_timeout = '30s';
ALTER ROLE dashboards SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE dashboards SET search_path = reporting;
GRANT reporting TO airflow, mlflow, studies;
COMMIT;

SELECT format('CREATE DATABASE %I OWNER %I', name, name)
FROM unnest(ARRAY['airflow', 'mlflow', 'studies', 'churn']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE postgres, template1, airflow, mlflow, studies, churn FROM PUBLIC;
GRANT CONNECT ON DATABASE airflow, mlflow, studies TO dashboards;

-- Anybody else who connects could store large objects.
\connect airflow
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
\connect mlflow
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
\connect studies
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
