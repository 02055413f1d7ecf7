-- A database each for MLflow and for the studies, owned by a role that sees no other; PostgreSQL's image runs this when
-- its volume is empty. Run again, it adds what a volume lacks, and sets the passwords of the environment.
\set ON_ERROR_STOP on
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv studies STUDIES_DB_PASSWORD

-- Else the server's log would hold the password of a statement that fails.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;

BEGIN;  -- without a password nothing is created
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['mlflow', 'studies']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE mlflow LOGIN PASSWORD :'mlflow';
ALTER ROLE studies LOGIN PASSWORD :'studies';
COMMIT;

SELECT format('CREATE DATABASE %I OWNER %I', name, name) FROM unnest(ARRAY['mlflow', 'studies']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE postgres, template1, mlflow, studies FROM PUBLIC;
